"""Which objective makes each unit of a code stand for one factor of the images, and does any beat the plain VAE?

    aejax train disentanglement:cpu                # 16 x 16, dense, 3 strengths
    aejax train disentanglement:full --seeds=10    # 64 x 64, conv, 6 strengths

A VAE, a beta-VAE, a FactorVAE and a beta-TCVAE with 10 units, on sprites that are made from five known factors: every
combination of shape, scale, orientation and position once. Images of 16 x 16 pixels have a sixteenth of the pixels of
dSprites, so the KL already weighs sixteen times as much beside them as there, and strengths are smaller. Codes are
measured on test images that training has not seen.

Cost: `cpu`: 56 minutes of CPU time, so about 28 on 2 cores alone, where 20 of its 215 epochs took what makes 23 of all
(68 beside other work that took half of the cores). `full`: 259,000 TFLOP in 190 members, for GPUs; not run.
Expected: of `cpu`, with strengths chosen by validation MIG, beta-TCVAE (8) has a MIG of 0.616 ± 0.028 and beta-VAE (2)
0.579 ± 0.045, and both are shown to beat the VAE's 0.23 ± 0.11 (probability of improvement 1, interval from 0.54);
FactorVAE (10) has 0.40 ± 0.18, undecided (0.88, 0.43 to 0.98). The two winners use 3 units where the VAE uses 4 or 5;
their FactorVAE scores (0.62) are no better than the VAE's (0.61). UDR, which knows no factors, prefers a beta of 4.
"""

from typing import Any

from aejax import sweep as sweeps
from aejax.autoencoders.vae import VaeConfig
from aejax.data.load import DataConfig
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.networks.convolutional import Convolutional
from aejax.networks.dense import Dense
from aejax.objectives.likelihoods import Bernoulli
from aejax.training.optimizers import Adam, Cosine
from aejax.training.step import TrainingConfig

VARIANTS = ("cpu", "full")
SIZE = 10
STRENGTHS = {
    "cpu": {"beta_vae": [1.5, 2.0, 4.0], "factor_vae": [2.0, 5.0, 10.0], "beta_tcvae": [2.0, 4.0, 8.0]},
    "full": {
        "beta_vae": [2.0, 4.0, 6.0, 8.0, 12.0, 16.0],
        "factor_vae": [10.0, 20.0, 30.0, 40.0, 50.0, 100.0],
        "beta_tcvae": [2.0, 4.0, 6.0, 8.0, 10.0, 12.0],
    },
}
WEIGHTS = {"beta_vae": "beta", "factor_vae": "gamma", "beta_tcvae": "beta"}


def get_config(variant: str) -> Config:
    """Returns the config of one seed; `sweep` adds the families and strengths."""
    cpu = variant == "cpu"
    return Config(
        data=DataConfig(name="aejax_sprites" if cpu else "aejax_sprites/64x64"),
        autoencoder=VaeConfig(encoder=_encoder(variant), latent_size=SIZE, likelihood=Bernoulli()),
        optimizer=Adam(learning_rate=1e-3 if cpu else 1e-4, schedule=Cosine()),
        # 140 and 8,640 steps an epoch: 30,100 and 302,400 in all.
        training=TrainingConfig(epochs=215 if cpu else 35, batch_size=64),
        evaluation=EvaluationConfig(measures=("reconstruction", "posterior", "disentanglement"), baselines=()),
    )


def _encoder(variant: str) -> Dense | Convolutional:
    if variant == "cpu":
        return Dense(widths=(256, 128))
    return Convolutional(widths=(32, 32, 64, 64))


def sweep(variant: str) -> sweeps.Sweep:
    """Returns the plain VAE, and every other family at every strength."""
    encoder = _encoder(variant)
    networks = {"encoder": encoder.kind, "encoder.widths": list(encoder.widths)}
    shared = networks | {"latent_size": SIZE, "likelihood": "bernoulli"}

    def family(kind: str, **fields: Any) -> sweeps.Sweep:
        return [sweeps.part("autoencoder", kind, shared | fields)]

    points = family("vae")
    for kind, strengths in STRENGTHS[variant].items():
        # A discriminator as wide as in its paper would take a CPU twenty times as long as all else.
        narrow = {"discriminator_widths": [128, 128, 128]} if (variant, kind) == ("cpu", "factor_vae") else {}
        for strength in strengths:
            points += family(kind, **{WEIGHTS[kind]: strength}, **narrow)
    return points
