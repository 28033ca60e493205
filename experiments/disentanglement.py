"""Which objective makes each unit of a code stand for one factor of the images, and does any beat the plain VAE?

    aejax train disentanglement:cpu                # 16 x 16, dense, 3 strengths
    aejax train disentanglement:full --seeds=10    # 64 x 64, conv, 6 strengths
    aejax train disentanglement:variance --seeds=10         # 16 x 16, 6 objectives, 5 strengths of each: 300 members
    aejax train disentanglement:variance_full --seeds=10    # 64 x 64, conv, 6 strengths of each: 360 (there 50 seeds)

A VAE, a beta-VAE, a FactorVAE and a beta-TCVAE with 10 units, on sprites that are made from five known factors: every
combination of shape, scale, orientation and position once. Images of 16 x 16 pixels have a sixteenth of the pixels of
dSprites, so the KL already weighs sixteen times as much beside them as there, and strengths are smaller. Codes are
measured on test images that training has not seen.

`variance` asks what Locatello et al., "Challenging common assumptions in the unsupervised learning of disentangled
representations", 2019, ask of more than 12,000 models: how much of the variance of a metric is due to the objective,
how much to its strength, and how much to the seed. The six objectives are theirs: beta-VAE (with a beta of 1 the plain
VAE), AnnealedVAE, FactorVAE, DIP-VAE-I and -II, beta-TCVAE. Each has five strengths and a fifth of the training of
`cpu`; `variance_full` has their strengths, and the training of `full`. The answer is the table *What differences are
due to* of the report and of results.md. (Theirs is R², which chance makes larger; the table corrects for that.)

Cost: `cpu`: 56 minutes of CPU time, so about 28 on 2 cores alone, where 20 of its 215 epochs took what makes 23 of all
(68 beside other work that took half of the cores). `full`: 259,000 TFLOP in 190 members, for GPUs; not run.
`variance`: not measured yet; 124 TFLOP in 300 members, an estimated 27 minutes on 2 cores at 39 GFLOP/s each, and up to
15 for the metrics at 3 s a member. `variance_full`: for GPUs; not run.
Expected: of `cpu`, with strengths chosen by validation MIG, beta-TCVAE (8) has a MIG of 0.616 ± 0.028 and beta-VAE (2)
0.579 ± 0.045, and both are shown to beat the VAE's 0.23 ± 0.11 (probability of improvement 1, interval from 0.54);
FactorVAE (10) has 0.40 ± 0.18, undecided (0.88, 0.43 to 0.98). The two winners use 3 units where the VAE uses 4 or 5;
their FactorVAE scores (0.62) are no better than the VAE's (0.61). UDR, which knows no factors, prefers a beta of 4.
`variance`: not measured yet; of the 45 members of `cpu` that have a strength, 25 % (6 to 47) of the variance of MIG are
due to the objective, 11 % (0 to 32) to the strength and 65 % (43 to 82) to the seed.
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

VARIANTS = ("cpu", "full", "variance", "variance_full")
SIZE = 10
STRENGTHS = {
    "cpu": {"beta_vae": [1.5, 2.0, 4.0], "factor_vae": [2.0, 5.0, 10.0], "beta_tcvae": [2.0, 4.0, 8.0]},
    "full": {
        "beta_vae": [2.0, 4.0, 6.0, 8.0, 12.0, 16.0],
        "factor_vae": [10.0, 20.0, 30.0, 40.0, 50.0, 100.0],
        "beta_tcvae": [2.0, 4.0, 6.0, 8.0, 10.0, 12.0],
    },
    "variance": {
        "beta_vae": [1.0, 1.5, 2.0, 4.0, 8.0],
        "annealed_vae": [2.0, 4.0, 6.0, 9.0, 12.0],
        "factor_vae": [1.0, 2.0, 5.0, 10.0, 20.0],
        "dip_vae_i": [0.1, 0.3, 1.0, 3.0, 10.0],
        "dip_vae_ii": [0.1, 0.3, 1.0, 3.0, 10.0],
        "beta_tcvae": [1.5, 2.0, 4.0, 8.0, 12.0],
    },
    "variance_full": {
        "beta_vae": [1.0, 2.0, 4.0, 6.0, 8.0, 16.0],
        "annealed_vae": [5.0, 10.0, 25.0, 50.0, 75.0, 100.0],
        "factor_vae": [10.0, 20.0, 30.0, 40.0, 50.0, 100.0],
        "dip_vae_i": [1.0, 2.0, 5.0, 10.0, 20.0, 50.0],
        "dip_vae_ii": [1.0, 2.0, 5.0, 10.0, 20.0, 50.0],
        "beta_tcvae": [1.0, 2.0, 4.0, 6.0, 8.0, 10.0],
    },
}
_SMALL = ("cpu", "variance")
_EPOCHS = {"cpu": 215, "full": 35, "variance": 40, "variance_full": 35}


def get_config(variant: str) -> Config:
    """Returns the config of one seed; `sweep` adds the families and strengths."""
    small = variant in _SMALL
    return Config(
        data=DataConfig(name="aejax_sprites" if small else "aejax_sprites/64x64"),
        autoencoder=VaeConfig(encoder=_encoder(variant), latent_size=SIZE, likelihood=Bernoulli()),
        optimizer=Adam(learning_rate=1e-3 if small else 1e-4, schedule=Cosine()),
        # 140 and 8,640 steps an epoch: 30,100 and 302,400 in all, of `variance` 5,600.
        training=TrainingConfig(epochs=_EPOCHS[variant], batch_size=64),
        evaluation=EvaluationConfig(measures=_measures(variant), baselines=()),
    )


def _measures(variant: str) -> tuple[str, ...]:
    codes = () if variant.startswith("variance") else ("posterior",)
    return ("reconstruction", *codes, "disentanglement")


def _encoder(variant: str) -> Dense | Convolutional:
    if variant in _SMALL:
        return Dense(widths=(256, 128))
    return Convolutional(widths=(32, 32, 64, 64))


def sweep(variant: str) -> sweeps.Sweep:
    """Returns every objective at every strength, and the plain VAE where it is not one of these."""
    encoder = _encoder(variant)
    networks = {"encoder": encoder.kind, "encoder.widths": list(encoder.widths)}
    shared = networks | {"latent_size": SIZE, "likelihood": "bernoulli"}
    points = [] if variant.startswith("variance") else [sweeps.part("autoencoder", "vae", shared)]
    for name, strengths in STRENGTHS[variant].items():
        for strength in strengths:
            kind, fields = _objective(name, strength, variant)
            points.append(sweeps.part("autoencoder", kind, shared | fields))
    return points


def _objective(name: str, strength: float, variant: str) -> tuple[str, dict[str, Any]]:
    """Returns the family of an objective, and its fields at a strength."""
    small = variant in _SMALL
    if name == "annealed_vae":
        # The capacity grows for half of the training, as theirs did for a third.
        gamma, warmup = (60.0, 20.0) if small else (1000.0, 12.0)
        return name, {"capacity": strength, "gamma": gamma, "warmup_epochs": warmup}
    if name == "factor_vae":
        # A discriminator as wide as in its paper would take a CPU twenty times as long as all else.
        narrow = {"discriminator_widths": [128, 128, 128]} if small else {}
        return name, {"gamma": strength} | narrow
    if name == "dip_vae_i":
        return "dip_vae", {"off_diagonal": strength, "diagonal": 10 * strength}
    if name == "dip_vae_ii":
        return "dip_vae", {"covariance_of": "codes", "off_diagonal": strength, "diagonal": strength}
    return name, {"beta": strength}
