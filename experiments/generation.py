"""Which autoencoder, with which distribution of its codes, generates the images that are most like real ones?

    aejax train generation:mnist
    aejax train generation:fashion
    aejax train generation:adversarial # MNIST, 50 epochs of two networks at odds
    aejax train generation:small       # the digits
    aejax generate runs/generation-mnist  # images by the best of them

Dense networks with 16 units; each is trained once, and every sampler is fitted to its codes of
55,000 training images. As many images are drawn as there are real ones beside them, 5,000 validation images, by which
settings are ranked, and 5,000 test images. They are compared by features of a small classifier that the same command
trains first, so the numbers are no FID. `real_images` are training images: the floor. `pixel_gaussian` knows the
pixels' mean and covariance alone.

A generator has collapsed if its images seem to be of fewer than half of the classes (the exponential of the entropy),
or if fewer than a tenth of the real images lie near one of them (recall).

Cost: on 2 cores, beside other work: `mnist` 18 minutes (26 of CPU time), `adversarial` 37 (5 adversarial autoencoders
5, 5 VAE-GANs 29); alone: `fashion` 4, `small` 77 s.
Expected: on MNIST the mixture's Fréchet distance is 0.301 ± 0.010 (plain) and 0.304 ± 0.016 (`rae_l2`) times that of a
Gaussian of the same codes, which is 2.45 ± 0.10 and 2.73 ± 0.09; real images 0.074, pixels 7.74. N(0, I) is 14.0 ± 1.4
and 3.2 ± 0.2 times as far as the Gaussian, and of the plain autoencoder collapsed in all seeds. Nothing is memorized.
`adversarial`: nothing collapses, 0 of 5 seeds of both; N(0, I) reaches 2.23 ± 0.08 and 0.96 ± 0.02, a mixture 0.82 ±
0.08 and 0.33 ± 0.04. On Fashion-MNIST the mixture's distance is 0.247 ± 0.013 and 0.280 ± 0.022 times the Gaussian's.
"""

from typing import Any

from aejax import sweep as sweeps
from aejax.autoencoders.plain import PlainConfig
from aejax.data.load import DataConfig
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.networks.dense import Dense
from aejax.samplers.zoo import GenerationConfig
from aejax.training.optimizers import Adam, Cosine
from aejax.training.step import TrainingConfig

VARIANTS = ("mnist", "fashion", "adversarial", "small")
_FITTED = ("prior", "gaussian", "mixture")
_LEARNED = ("masked_flow", "two_stage", "flow_matching")


def get_config(variant: str) -> Config:
    """Returns the config of one seed; `sweep` adds the families and samplers."""
    small, adversarial = variant == "small", variant == "adversarial"
    name = {"fashion": "fashion_mnist", "small": "digits"}.get(variant, "mnist")
    return Config(
        data=DataConfig(name=name, validation_size=None if small else 5000),
        autoencoder=PlainConfig(encoder=Dense(widths=(64,) if small else (256,)), latent_size=8 if small else 16),
        # With the usual momentum the codes of networks that play against each other are chased about.
        optimizer=Adam(learning_rate=2e-3, schedule=Cosine(), beta1=0.5 if adversarial else 0.9),
        training=TrainingConfig(
            epochs={"small": 100, "adversarial": 50}.get(variant, 10),
            batch_size={"small": 32, "adversarial": 256}.get(variant, 128),
        ),
        generation=GenerationConfig(num_samples=5000, epochs=5),
        evaluation=EvaluationConfig(measures=("reconstruction",), baselines=()),
    )


def sweep(variant: str) -> sweeps.Sweep:
    """Returns every family with samplers of its codes."""
    width, size = (64, 8) if variant == "small" else (256, 16)

    def pairs(kind: str, samplers: tuple[str, ...], **others: Any) -> sweeps.Sweep:
        family = sweeps.part("autoencoder", kind, {"encoder.widths": [width], "latent_size": size} | others)
        return sweeps.product([family], sweeps.grid("generation.sampler", samplers))

    if variant == "adversarial":
        return sweeps.chain(*(pairs(kind, _FITTED) for kind in ("adversarial", "vae_gan")))
    if variant == "small":
        codes = {"latent_size": 3, "levels": [4, 4, 4], "num_positions": 8}
        return sweeps.chain(
            *(pairs(kind, (*_FITTED, "masked_flow")) for kind in ("plain", "rae_l2")),
            pairs("fsq", ("prior", "autoregressive"), **codes),
        )
    if variant == "fashion":
        return sweeps.chain(*(pairs(kind, _FITTED) for kind in ("plain", "rae_l2")))
    return sweeps.chain(
        *(pairs(kind, (*_FITTED, "kernel_density", *_LEARNED)) for kind in ("plain", "rae_l2")),
        pairs("vae", (*_FITTED, "masked_flow")),
    )
