"""Does a small transformer that first draws hidden patches classify better than one trained by labels for as long?

    aejax train masked:fashion
    aejax train masked:cifar100                    # for a GPU
    aejax train masked:cifar100_smoke --seeds=1    # the same in small, on a CPU

A vision transformer sees a quarter of the patches of an image and draws the others (`masked`); the same encoder is also
trained as a denoising and as a plain autoencoder, each with a decoder as small. Of each: a logistic regression and
nearest neighbors on frozen features, by all labels, and the encoder fine-tuned, by the given ones. Beside it the masked
autoencoder's encoder is trained from scratch with the same labels and augmentation, for more epochs: as many operations
in all as pre-training and fine-tuning take together.

`fashion`: 55,000 images of clothes, patches of 7 x 7 pixels, 1,000 labels of each class; the validation images of one
seed chose the share of patches that is hidden, the learning rate of fine-tuning and that from scratch. `cifar100`:
45,000 images, patches of 4 x 4, all labels. Fine-tuning is that of the masked autoencoders' authors in small: learning
rates that decay from layer to layer, a warm-up and a cosine, mixup, and random erasing.

Cost: `fashion` 24 minutes on 2 cores, and 3.1 GB of memory; `cifar100_smoke` 12 minutes for one
seed, beside other work, most of them evaluation; `cifar100` was not run, it takes 420,000 TFLOP.
Expected: on Fashion-MNIST the fine-tuned masked autoencoder is right on 84.6 ± 0.4 % of the test images, from scratch
82.0 ± 0.9 % (2.6 ± 1.0 points less); denoising 84.0 ± 0.3, plain 84.1 ± 0.4. On frozen features the masked one is last:
82.2 ± 0.4 % by the probe and 82.6 ± 0.3 by 5-NN, plain 83.3 ± 0.4 and 87.1 ± 0.2.
"""

import dataclasses

from aejax import sweep as sweeps
from aejax.autoencoders.masked import MaskedConfig
from aejax.data.augmentation import Augmentation
from aejax.data.load import DataConfig
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.networks.vit import ViT
from aejax.training.fine_tuning import FineTuningConfig
from aejax.training.optimizers import AdamW, Cosine
from aejax.training.step import TrainingConfig

VARIANTS = ("fashion", "cifar100_smoke", "cifar100")
_EVALUATION = EvaluationConfig(measures=("probe", "neighbors"), baselines=("supervised",), classifier_features=False)


def get_config(variant: str) -> Config:
    """Returns the config of one seed of the masked autoencoder; `sweep` adds the others."""
    if variant == "fashion":
        return _fashion()
    config = _cifar100()
    return _in_small(config) if variant == "cifar100_smoke" else config


def _fashion() -> Config:
    moves = Augmentation(shift=2, flip=0.5)
    return Config(
        data=DataConfig(name="fashion_mnist", validation_size=5000),
        autoencoder=MaskedConfig(
            encoder=ViT(patch_size=7, width=64, depth=4), latent_size=64, decoder_width=32, decoder_depth=1
        ),
        optimizer=AdamW(learning_rate=2e-3, beta2=0.95, weight_decay=0.05, schedule=Cosine(warmup_epochs=1.0)),
        training=TrainingConfig(epochs=10, batch_size=100, augmentation=moves),
        fine_tuning=FineTuningConfig(
            epochs=12,
            learning_rate=2e-3,
            layer_decay=0.9,
            labels_per_class=1000,
            mixup=0.2,
            augmentation=dataclasses.replace(moves, erasing=0.25, erasing_area=0.2),
            scratch_epochs=30,
            scratch_learning_rate=1e-3,
        ),
        evaluation=_EVALUATION,
    )


def _cifar100() -> Config:
    moves = Augmentation(shift=4, flip=0.5)
    return Config(
        data=DataConfig(name="cifar100", validation_size=5000, preprocessing="per_channel"),
        autoencoder=MaskedConfig(
            encoder=ViT(patch_size=4, width=192, depth=12, heads=3), latent_size=192, decoder_width=96
        ),
        optimizer=AdamW(learning_rate=1.5e-3, beta2=0.95, weight_decay=0.05, schedule=Cosine(warmup_epochs=10.0)),
        training=TrainingConfig(epochs=400, batch_size=500, augmentation=moves, precision="bfloat16"),
        fine_tuning=FineTuningConfig(
            epochs=100,
            learning_rate=1e-3,
            layer_decay=0.8,
            mixup=0.8,
            augmentation=dataclasses.replace(moves, erasing=0.25, erasing_area=0.33),
            scratch_epochs=215,
            scratch_learning_rate=1e-3,
        ),
        evaluation=_EVALUATION,
    )


def _in_small(config: Config) -> Config:
    encoder = dataclasses.replace(config.autoencoder.encoder, width=48, depth=2)
    return dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, train_size=2000, validation_size=1000),
        autoencoder=dataclasses.replace(config.autoencoder, encoder=encoder, latent_size=48, decoder_width=24),
        optimizer=dataclasses.replace(config.optimizer, schedule=Cosine(warmup_epochs=0.5)),
        training=dataclasses.replace(config.training, epochs=3, batch_size=100, precision="float32"),
        fine_tuning=dataclasses.replace(config.fine_tuning, epochs=2, scratch_epochs=4),
    )


def sweep(variant: str) -> sweeps.Sweep:
    """Returns the masked autoencoder, and the same encoder as a denoising and as a plain autoencoder."""
    config = get_config(variant)
    masked, epochs = config.autoencoder, config.training.epochs
    whole = {
        "encoder": dataclasses.asdict(masked.encoder),
        "decoder": dataclasses.asdict(masked.decoder_network),
        "latent_size": masked.latent_size,
        "likelihood.output": "identity",
    }
    # A step of all tokens takes about 3.5 times as many operations as one of a quarter. From scratch is one network.
    others = {"training.epochs": max(1, round(epochs / 3.5)), "evaluation.baselines": []}
    return [
        {},
        sweeps.part("autoencoder", "denoising", {**whole, "corruption.rate": 0.5}) | others,
        sweeps.part("autoencoder", "plain", whole) | others,
    ]
