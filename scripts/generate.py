"""Makes images by a trained member of a study: a picture (.png) and the arrays (.npz), in <study>/generated/.

    python scripts/generate.py runs/generation                                      # drawn by the best generator
    python scripts/generate.py runs/generation --member=1f3a --num=10000 --seed=7   # by another, and more of them
    python scripts/generate.py runs/quickstart --kind=reconstructions --num=32
    python scripts/generate.py runs/quickstart --kind=interpolations --num=8 --path=linear
    python scripts/generate.py runs/quickstart --kind=arithmetic --source_class=3 --target_class=8 --num=8
    python scripts/generate.py runs/quickstart --kind=grid --num=225

Drawing needs a study that was trained with a sampler of codes (--set generation.sampler=mixture); everything else takes
the autoencoder alone. The same study, member and seed give the same images, to the last bit.
"""

from aejax.cli.generate import generate
from aejax.cli.process import main
from aejax.training.setup import set_up_jax

if __name__ == "__main__":
    main(generate, set_up_jax)
