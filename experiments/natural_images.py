"""Do features that autoencoders of patches learn without labels tell what is on small color photographs?

    aejax train natural_images:cifar100           # 1,600 units, all baselines
    aejax train natural_images:cifar100_large     # 4,000 units, without baselines
    aejax train natural_images:cifar100_coarse    # 1,600 units, of the 20 superclasses, beside pixels and PCA
    aejax train natural_images:cifar10            # the same, for who has prepared CIFAR-10
    aejax train natural_images:units              # 50 to 800 units; CIFAR-100 from here on
    aejax train natural_images:whitening          # patches whitened more, less, and not
    aejax train natural_images:families           # six families of 400 units
    aejax train natural_images:search --seeds=1   # how their strengths were chosen, with 15,000 images
    aejax train natural_images:few_labels         # 1, 10, 100 labels of each class, 200 units

A k-sparse autoencoder sees patches of 6 x 6 pixels, four of each image, their contrast normalized and whitened (ZCA).
Its responses at all 27 x 27 places, two-sided and above a threshold, are summed over quadrants: 8 features for each
unit, or 4 of 4,000 units, whose negative responses are left out. A ridge regression is fitted to those of 45,000
training images, with 4,000 units to those of their mirror images, too; an image's scores are means over it and its
mirror image. Strengths are chosen on 5,000 validation images. Beside it stand the same features of k-means, of the same
encoder untrained and trained by labels, and raw pixels. Five seeds. `few_labels` has logistic regressions, of two draws
of labelled images, and the network trained by as many labels. `families` has the strengths that `search` found best for
one seed, on validation images.

Cost: `cifar100` about 100 minutes on 2 cores beside other work, and 9.6 GB of memory, `cifar100_coarse` 28,
`whitening` 55, `units` 32, `few_labels` 35, `families` 27, `search` 20. Others are not measured yet.
Expected: with 1,600 units ridge regression is right on 51.3 ± 0.5 % of CIFAR-100's test images, untrained on 47.4 ±
0.2, k-means 54.7 ± 0.2, pixels 14.9, and the network trained by labels for one epoch on 27.0 ± 1.3. The superclasses of
60.7 ± 0.2 % are found, by pixels of 25.3. `whitening`: 46.0 ± 0.3 at a strength of 0.3, 45.3 ± 0.4 without, 44.1 ± 0.3
at 0.01. `units`: 31.2 ± 0.1 with 50, 37.0 ± 0.4 with 100, 41.8 ± 0.3 with 200, 45.7 ± 0.3 with 400, 49.0 ± 0.4 with
800. `few_labels`: 6.27 ± 0.01, 18.1 ± 0.2 and 33.3 ± 0.4 % with 1, 10 and 100 labels of each class, k-means 6.49 ±
0.04, 18.4 ± 0.2 and 33.24 ± 0.06, pixels 4.06, 9.70 and 15.8, the network from scratch 3.81 ± 0.41, 10.6 ± 0.5 and 17.8
± 0.5. `families`: 46.1 ± 0.3 % k-sparse, 45.5 ± 0.4 winner-take-all, 42.8 ± 0.2 denoising, 42.8 ± 0.3 sparse, 42.4 ±
0.4 plain, 37.4 ± 0.3 contractive. Others are not measured yet.
"""

from aejax import sweep as sweeps
from aejax.autoencoders.k_sparse import KSparseConfig
from aejax.data.load import DataConfig
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.measures.config import FewLabelsConfig, RidgeConfig
from aejax.networks.patches import PatchesConfig
from aejax.objectives.likelihoods import HalfSquaredError
from aejax.training.config import TrainingConfig
from aejax.training.fine_tuning import FineTuningConfig
from aejax.training.optimizers import Adam, Cosine

VARIANTS = (
    "cifar100",
    "cifar100_large",
    "cifar100_coarse",
    "cifar10",
    "units",
    "whitening",
    "families",
    "search",
    "few_labels",
)
_UNITS = {"cifar100": 1600, "cifar10": 1600, "cifar100_coarse": 1600, "cifar100_large": 4000, "few_labels": 200}
_BASELINES = {  # None: all of them.
    "cifar100": None,
    "cifar10": None,
    "cifar100_coarse": ("pixels", "pca"),
    "few_labels": ("pixels", "untrained", "k_means", "supervised"),
}
# Of the network from scratch, by labels of each class: 53 s a seed on 2 cores, where features took 82 s for all three.
_SCRATCH_EPOCHS = {1: 400, 10: 40, 100: 4}
# Each family with its strengths and the one that `search` chose. Units are never negative, as those of sparse families.
_FAMILIES: dict[str, tuple[sweeps.Sweep, int]] = {
    "plain": ([{"latent_activation": "relu"}], 0),
    "sparse_l1": (sweeps.grid("weight", [0.1, 0.3, 1.0]), 1),
    "k_sparse": (sweeps.product([{"unit_norm": True}], sweeps.grid("k", [2, 5, 10])), 0),
    "winner_take_all": (sweeps.grid("rate", [0.005, 0.01, 0.05]), 2),
    "denoising": (sweeps.product([{"latent_activation": "relu"}], sweeps.grid("corruption.rate", [0.25, 0.5])), 1),
    "contractive": (sweeps.product([{"latent_activation": "relu"}], sweeps.grid("weight", [0.01, 0.1, 1.0])), 1),
}


def get_config(variant: str) -> Config:
    """Returns the config of one seed."""
    few, large, coarse = (variant == name for name in ("few_labels", "cifar100_large", "cifar100_coarse"))
    return Config(
        data=DataConfig(
            name="cifar10" if variant == "cifar10" else "cifar100",
            label="coarse_label" if coarse else None,
            train_size=15_000 if variant == "search" else None,
            validation_size=5000,
        ),
        autoencoder=KSparseConfig(
            latent_size=_UNITS.get(variant, 400),
            k=5,
            unit_norm=True,
            likelihood=HalfSquaredError(output="identity"),
            patches=PatchesConfig(two_sided=not large),
        ),
        optimizer=Adam(learning_rate=2e-3, schedule=Cosine()),
        training=TrainingConfig(epochs=1, batch_size=100),
        fine_tuning=FineTuningConfig(scratch_epochs=1, scratch_learning_rate=1e-3),
        evaluation=EvaluationConfig(
            measures=("few_labels",) if few else ("reconstruction", "ridge"),
            flip="none" if few else "both" if large else "test",
            few_labels=FewLabelsConfig(num_draws=2, strengths=(1.0, 0.3, 0.1, 0.03)) if few else FewLabelsConfig(),
            ridge=RidgeConfig(strengths=(0.01, 0.003, 0.001, 0.0003)),
            baselines=_BASELINES.get(variant, ()),
            classifier_features=False,
        ),
    )


def sweep(variant: str) -> sweeps.Sweep:
    """Returns the points that a variant compares."""
    if variant == "units":
        return sweeps.grid("autoencoder.latent_size", [50, 100, 200, 400, 800])
    if variant == "few_labels":
        return [
            {"fine_tuning.labels_per_class": labels, "fine_tuning.scratch_epochs": epochs}
            for labels, epochs in _SCRATCH_EPOCHS.items()
        ]
    if variant == "whitening":
        return sweeps.grid("autoencoder.patches.whitening", [None, 1.0, 0.3, 0.1, 0.03, 0.01])
    if variant in ("families", "search"):
        shared = {"latent_size": 400, "encoder.widths": [], "likelihood.output": "identity", "patches": {}}
        strengths = {
            kind: points if variant == "search" else [points[chosen]] for kind, (points, chosen) in _FAMILIES.items()
        }
        return [sweeps.part("autoencoder", kind, shared | own) for kind, points in strengths.items() for own in points]
    return [{}]
