"""Explains the autoencoders of a trained study: what their units stand for, and how far that can be trusted.

    python scripts/explain.py runs/explain-mnist                               # everything, and the page that shows it
    python scripts/explain.py runs/explain-mnist --leave_out=tsne --leave_out=dictionary    # what takes seconds
    python scripts/explain.py runs/quickstart --part=units --part=attribution
    python scripts/explain.py runs/explain-mnist --member=1f3a                 # one member, with pictures
    python scripts/explain.py runs/explain-mnist --part=dictionary --layer=encoder/DenseStack_0/Dense_0

Traversals, units with the images they answer, a sparse dictionary, attributions with their checks, maps of the codes,
ways between classes, and how alike seeds, families and layers are: in <study>/explanations/, and in its report. The
same command goes on where it was stopped.
"""

from aejax.cli.explain import explain
from aejax.cli.process import main
from aejax.training.setup import set_up_jax

if __name__ == "__main__":
    main(explain, set_up_jax)
