"""With how many labels does a pre-trained encoder beat the same network trained from scratch, and when no more?

    aejax train versus_supervised:mnist
    aejax train versus_supervised:fashion
    aejax train versus_supervised:augmented    # MNIST, labels on moved images

A small convolutional autoencoder sees 55,000 images without labels, each moved, turned, slanted and zoomed (clothes
less than digits, and mirrored), and draws them as they were. Then its encoder, with a classifier that begins as the
probe, is fine-tuned with 1, 10, 100, 1,000 labels of each class, and with all. Beside it the same network begins at
random, with the same labels, as many learning rates to choose from, the same patience, and epochs for up to about as
many seconds as pre-training and fine-tuning take together; with few labels its patience ends sooner. The probe brings
one more choice, of its strength. Five seeds, each with its own labelled images, which both share; all is chosen on as
many further images, with all labels on the 5,000 of validation. Labelled images are shown as they are; in `augmented`
both methods see them moved as the autoencoder does.

Cost: on 2 cores, beside other work all the time, 30 minutes for `mnist`, 32 for `fashion`, 26 for `augmented`.
Expected: on MNIST pre-training wins with 1, 10 and 100 labels of each class, by 16.3 ± 7.7, 13.0 ± 6.3 and 3.7 ± 2.3
points; with 1,000 it is undecided (-0.10 ± 0.20), with all it loses by 0.43 ± 0.38. What it knows is how digits move:
if labelled images are moved too, the network from scratch is as good with 10 labels (92.4 %; +0.44 ± 0.52) and better
with 100 (97.6 %; -0.46 ± 0.25). On Fashion-MNIST nothing is decided up to 100 labels, and with 1,000 and all it loses
by 3.7 ± 1.3 and 4.39 ± 0.85 points.
"""

import dataclasses

from aejax import sweep as sweeps
from aejax.autoencoders.denoising import DenoisingConfig
from aejax.data.augmentation import Augmentation
from aejax.data.corruption import Deformation
from aejax.data.load import DataConfig
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.networks.convolutional import Convolutional
from aejax.objectives.likelihoods import Bernoulli
from aejax.training.fine_tuning import FineTuningConfig
from aejax.training.optimizers import Adam, Cosine
from aejax.training.step import TrainingConfig

VARIANTS = ("mnist", "fashion", "augmented")
_DIGITS = Augmentation(rotation=20.0, shift=2, shear=0.3, zoom=0.2)
_CLOTHES = Augmentation(rotation=5.0, shift=2, shear=0.1, zoom=0.15, flip=0.5)
# By labels of each class (None: all), epochs of fine-tuning and from scratch: there as many more as pre-training takes.
_EPOCHS = {1: (100, 2000), 10: (100, 800), 100: (40, 200), 1000: (6, 20), None: (3, 12)}
_AUGMENTED_EPOCHS = {10: (800, 1000), 100: (200, 250)}  # They learn for longer.
_LEARNING_RATES = [(3e-4, 1e-3), (1e-3, 3e-3)]  # Fine-tuning, from scratch; of many labels the last alone.


def get_config(variant: str) -> Config:
    """Returns the config of one seed; `sweep` sets the numbers of labels."""
    moves = _CLOTHES if variant == "fashion" else _DIGITS
    return Config(
        data=DataConfig(name="fashion_mnist" if variant == "fashion" else "mnist", validation_size=5000),
        autoencoder=DenoisingConfig(
            encoder=Convolutional(widths=(16, 32), strides=(2, 2), kernel_size=5),
            latent_size=32,
            likelihood=Bernoulli(),
            corruption=Deformation(**dataclasses.asdict(moves)),
        ),
        optimizer=Adam(learning_rate=1e-3, schedule=Cosine()),
        training=TrainingConfig(epochs=5, batch_size=100, patience=100),
        fine_tuning=FineTuningConfig(epochs=1, head="probe", augmentation=moves if variant == "augmented" else None),
        evaluation=EvaluationConfig(measures=("few_labels",), baselines=("supervised",), classifier_features=False),
    )


def sweep(variant: str) -> sweeps.Sweep:
    """Returns every number of labels with the pairs of learning rates."""
    return [
        {
            "fine_tuning.labels_per_class": labels,
            "fine_tuning.epochs": tuned,
            "fine_tuning.scratch_epochs": scratch,
            "fine_tuning.learning_rate": rate,
            "fine_tuning.scratch_learning_rate": scratch_rate,
        }
        for labels, (tuned, scratch) in (_AUGMENTED_EPOCHS if variant == "augmented" else _EPOCHS).items()
        for rate, scratch_rate in (_LEARNING_RATES if labels and labels <= 100 else _LEARNING_RATES[1:])
    ]
