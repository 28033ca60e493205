"""The root config, composed of the config that each package keeps beside its own code, and what must hold across it."""

import dataclasses
import math
import types
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from aejax.autoencoders.plain import Plain
from aejax.autoencoders.quantized import Quantized
from aejax.autoencoders.zoo import Autoencoder, make_autoencoder
from aejax.cache import memory_bytes
from aejax.config import Seed, flatten, load, traced, unflatten
from aejax.data import preprocessing
from aejax.data.load import OWN, DataConfig, Dataset
from aejax.errors import ConfigError, DataError
from aejax.evaluation.codebook import MOST_CODES
from aejax.evaluation.compared import check_compared
from aejax.evaluation.disentanglement import num_comparable
from aejax.evaluation.labels import check_label_counts, check_labels
from aejax.evaluation.suite import NEED_LABELS, OF_FEATURES, EvaluationConfig
from aejax.methods.roles import Role
from aejax.methods.zoo import baseline, named
from aejax.networks.named import layer_shapes
from aejax.samplers.generator import code_space
from aejax.samplers.zoo import SAMPLERS, GenerationConfig, NoSampler
from aejax.training.fine_tuning import FineTuningConfig
from aejax.training.optimizers import Adam, Optimizer
from aejax.training.step import TrainingConfig

MOST_NUMBERS = 2048  # Of a code whose distribution is learned: covariances grow with their square.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """One member of a study. Its seed decides initialisation, batches and noise, never the splits."""

    seed: Seed = traced(0)
    data: DataConfig = DataConfig()
    autoencoder: Autoencoder = Plain()
    optimizer: Optimizer = Adam()
    training: TrainingConfig = TrainingConfig()
    fine_tuning: FineTuningConfig = FineTuningConfig()
    generation: GenerationConfig = GenerationConfig()
    evaluation: EvaluationConfig = EvaluationConfig()


# Fields that an earlier version recorded under another path.
_MOVED = {"training.fine_tuning_epochs": "fine_tuning.epochs"}


def load_recorded(tree: Mapping[str, Any]) -> Config:
    """Returns the config that a study recorded, perhaps by an earlier version: new fields have their defaults.

    Raises:
      ConfigError: naming the first field that is wrong, in one line.
    """
    fields = dict(flatten(tree))
    moved = {_MOVED[path]: fields.pop(path) for path in _MOVED if path in fields}
    return load(Config, unflatten(fields | moved))


def check(config: Config) -> None:
    """Checks what a single field cannot know, before any data are read.

    Raises:
      ConfigError: naming the fields that do not go together.
    """
    likelihood, family = config.autoencoder.likelihood, config.autoencoder
    if likelihood.kind == "mean_squared_error" and (len(family.term_names()) > 1 or family.POSTERIOR):
        others = ", ".join(family.term_names()[1:]) or "of the prior and the posterior"
        raise ConfigError(
            "autoencoder.likelihood=mean_squared_error is no log-likelihood, so it cannot be weighed against the other "
            f"terms of '{family.kind}' ({others}); use half_squared_error"
        )
    if family.NEEDS_OTHERS and config.training.batch_size == 1:
        raise ConfigError(
            f"training.batch_size=1: '{family.kind}' compares the codes of a batch with each other; make it larger"
        )
    if config.training.batch_size != "all":
        unshared = _unshared(config.training, config.training.batch_size)
        if unshared is not None:
            raise ConfigError(unshared)
    conflict = family.conflict(config.data.preprocessing)
    if conflict is not None:
        raise ConfigError(f"autoencoder={family.kind}: {conflict}")
    if config.data.preprocessing != "none" and getattr(likelihood, "output", "sigmoid") == "sigmoid":
        first = "" if hasattr(likelihood, "output") else "autoencoder.likelihood=gaussian and "
        raise ConfigError(
            f"data.preprocessing={config.data.preprocessing} gives targets outside [0, 1], which this likelihood "
            f"cannot reach; set {first}autoencoder.likelihood.output=identity"
        )
    if config.data.binarization is not None and config.data.preprocessing != "none":
        raise ConfigError(
            f"data.binarization={config.data.binarization} gives images that are black or white, and "
            f"data.preprocessing={config.data.preprocessing} undoes that; leave one of them out"
        )
    _check_posterior(config)
    if "codebook" in (config.evaluation.measures or ()) and not family.DISCRETE:
        raise ConfigError(
            f"evaluation.measures has 'codebook', and the codes of autoencoder={family.kind} are not discrete; leave "
            "it out, or choose a family with such codes, such as vq_vae"
        )
    if isinstance(family, Quantized) and "codebook" in (config.evaluation.measures or ()):
        num_codes = family.num_codebooks * family.num_categories
        if num_codes > MOST_CODES:
            raise ConfigError(
                f"evaluation.measures has 'codebook', which counts each of {num_codes} codes, and {MOST_CODES} are the "
                f"most; leave it out, or give autoencoder={family.kind} fewer codes"
            )
    if "disentanglement" in (config.evaluation.measures or ()) and family.DISCRETE:
        raise ConfigError(
            f"evaluation.measures has 'disentanglement', which is of codes of numbers, and autoencoder={family.kind} "
            "has indices; leave it out"
        )
    if config.training.pretraining_epochs:
        corruption, activation = getattr(family, "corruption", None), getattr(family.encoder, "activation", None)
        if corruption is not None and corruption.NEEDS_UNIT_INTERVAL and activation != "sigmoid":
            raise ConfigError(
                f"training.pretraining_epochs: autoencoder.corruption={corruption.kind} sets the inputs of layers to 0 "
                "or 1, and these lie between only if autoencoder.encoder.activation=sigmoid; set it so"
            )
        if not family.LAYERWISE:
            raise ConfigError(f"training.pretraining_epochs: layers of '{family.kind}' cannot be trained one by one")
        if (family.encoder.kind, family.decoder.kind) != ("dense", "mirror"):
            raise ConfigError(
                "training.pretraining_epochs trains dense layers one by one, and autoencoder.encoder="
                f"{family.encoder.kind}, decoder={family.decoder.kind}; use encoder=dense, decoder=mirror"
            )
    if config.data.validation_size == 0:
        if config.training.patience is not None:
            raise ConfigError("training.patience needs validation images, and data.validation_size is 0")
        if config.evaluation.measures is None or {*OF_FEATURES, "robustness"} & set(config.evaluation.measures):
            raise ConfigError(
                "data.validation_size is 0, and classifiers of features need some validation images: keep some, or set "
                'evaluation.measures=["reconstruction"]'
            )
    _check_fine_tuning(config)
    _check_generation(config)
    measures = config.evaluation.measures
    if config.evaluation.layers and measures is not None and not set(OF_FEATURES) & set(measures):
        raise ConfigError(
            f"evaluation.layers is read by {', '.join(map(repr, OF_FEATURES))}, and evaluation.measures has none of "
            "them; add one or leave layers out"
        )
    if not config.evaluation.probe_strengths:
        raise ConfigError("evaluation.probe_strengths is empty; give at least one L2 strength")
    if config.data.name == OWN:
        raise ConfigError(
            f"data.name={OWN} is of evaluation.transfer and evaluation.outliers; name the images themselves"
        )
    for name, other in config.evaluation.other_data(config.data).items():
        if _evaluated(other) != _evaluated(config.data):
            raise ConfigError(
                f"evaluation.{name}.binarization={_show(other.binarization)} and data.binarization="
                f"{_show(config.data.binarization)}: the encoder knows images of one kind; give both the same"
            )
        if other.preprocessing != "none":
            raise ConfigError(
                f"evaluation.{name}.preprocessing={other.preprocessing}: what is fitted to the training images is "
                "applied to these too; leave it out and set data.preprocessing"
            )
    conflict = config.evaluation.conflict(config.data)
    if conflict is not None:
        raise ConfigError(conflict)
    for where, data in (("data", config.data), ("evaluation.transfer", config.evaluation.transfer)):
        if data is not None and data.classes is not None and len(data.classes) < 2:
            raise ConfigError(f"{where}.classes={list(data.classes)}: of a single class there is nothing to tell apart")
    if config.evaluation.transfer is not None:
        _check_transfer(config.evaluation, config.evaluation.transfer)


def _unshared(training: TrainingConfig, size: int) -> str | None:
    """Returns why the devices of a member cannot share a batch of a size, and what would do; None if they can."""
    if size % training.devices_per_member == 0:
        return None
    return (
        f"training.devices_per_member={training.devices_per_member} devices cannot share batches of {size} evenly; "
        "make training.batch_size a multiple of it"
    )


def _evaluated(data: DataConfig) -> str | None:
    """Returns how images that are evaluated become black and white."""
    return "fixed" if data.binarization == "dynamic" else data.binarization


def _show(value: str | None) -> str:
    return "null" if value is None else value


def _check_posterior(config: Config) -> None:
    measures, family = config.evaluation.measures or (), config.autoencoder
    wanted = [name for name in ("posterior", "likelihood") if name in measures]
    if wanted and not family.POSTERIOR:
        raise ConfigError(
            f"evaluation.measures has '{wanted[0]}', and autoencoder={family.kind} has no posterior; leave it out, or "
            "choose a variational family, such as vae"
        )
    if "likelihood" not in measures:
        return
    if family.likelihood.kind == "half_squared_error":
        raise ConfigError(
            "evaluation.measures has 'likelihood', and half_squared_error lacks the constant that would make it one; "
            "use autoencoder.likelihood=gaussian"
        )
    if config.data.preprocessing != "none":
        raise ConfigError(
            "evaluation.measures has 'likelihood', which is one of images as they are, and "
            f"data.preprocessing={config.data.preprocessing}; leave one of them out"
        )
    if family.likelihood.kind == "bernoulli" and config.data.binarization is None:
        raise ConfigError(
            "evaluation.measures has 'likelihood', and a Bernoulli's is one of images that are black or white; set "
            "data.binarization, or autoencoder.likelihood=continuous_bernoulli"
        )


def _check_fine_tuning(config: Config) -> None:
    fine_tuning = config.fine_tuning
    if not fine_tuning.epochs and fine_tuning != dataclasses.replace(
        FineTuningConfig(),
        labels_per_class=fine_tuning.labels_per_class,
        scratch_epochs=fine_tuning.scratch_epochs,
        scratch_learning_rate=fine_tuning.scratch_learning_rate,
    ):
        raise ConfigError(
            "fine_tuning.epochs is 0, so nothing is fine-tuned, and fine_tuning.layers, layer_decay, learning_rate and "
            "head say how; set fine_tuning.epochs or leave them out"
        )
    baselines = config.evaluation.baselines
    roles = [baseline(name).role for name in (named(Role.BASELINE) if baselines is None else baselines)]
    by_labels = fine_tuning.epochs or any(Role.CLASSIFIER in role for role in roles)
    if fine_tuning.labels_per_class and not by_labels:
        raise ConfigError(
            "fine_tuning.labels_per_class: nothing is trained by labels; set fine_tuning.epochs, or name 'supervised' "
            "in evaluation.baselines"
        )
    if fine_tuning.head == "probe" and config.data.validation_size == 0 and fine_tuning.labels_per_class is None:
        raise ConfigError(
            "fine_tuning.head=probe chooses its strength on validation images, and data.validation_size is 0; keep some"
        )


def _check_generation(config: Config) -> None:
    generation, family = config.generation, config.autoencoder
    sampler = generation.sampler
    if isinstance(sampler, NoSampler):
        if generation != GenerationConfig():
            raise ConfigError(
                "generation.sampler is none, so nothing is generated, and other fields of generation say how; choose "
                "a sampler, such as mixture, or leave them out"
            )
        return
    if not (sampler.DISCRETE if family.DISCRETE else sampler.CONTINUOUS):
        fits = "DISCRETE" if family.DISCRETE else "CONTINUOUS"
        kinds = [kind for kind in SAMPLERS if getattr(SAMPLERS.config(kind), fits)]
        codes = "indices" if family.DISCRETE else "numbers"
        raise ConfigError(
            f"generation.sampler={sampler.kind} does not go with the codes of autoencoder={family.kind}, which are "
            f"{codes}; use {', '.join(kinds)}"
        )
    conflict = sampler.conflict()
    if conflict is not None:
        raise ConfigError(f"generation.sampler={sampler.kind}: {conflict}")
    if config.data.validation_size == 0:
        raise ConfigError(
            f"generation.sampler={sampler.kind}: what is generated is ranked beside validation images, and "
            "data.validation_size is 0; keep some"
        )
    if config.data.preprocessing == "per_image":
        raise ConfigError(
            "generation.sampler: data.preprocessing=per_image takes from each image what a generated one does not "
            "have, its mean and contrast; use another preprocessing"
        )


def _check_transfer(evaluation: EvaluationConfig, transfer: DataConfig) -> None:
    if transfer.validation_size == 0:
        raise ConfigError("evaluation.transfer.validation_size is 0; the probe and k-NN need some validation images")
    if evaluation.measures is not None and not set(OF_FEATURES) & set(evaluation.measures):
        raise ConfigError(
            f"evaluation.transfer is read by {', '.join(map(repr, OF_FEATURES))}, and evaluation.measures has "
            "none of them; add one or leave transfer out"
        )


def check_data(config: Config, dataset: Dataset, others: Mapping[str, Dataset] = types.MappingProxyType({})) -> None:
    """Checks that the data allow what the config asks for, before any writing.

    `others` are those of `evaluation.other_data(data)`, by the same names.

    Raises:
      DataError: naming what does not fit.
    """
    num_train = len(dataset.train.image)
    size = config.training.batch_size
    if size != "all" and size > num_train:
        raise DataError(
            f"training.batch_size={size} is larger than the {num_train} training images of {dataset.name}; "
            "make it smaller, or 'all'"
        )
    unshared = _unshared(config.training, num_train if size == "all" else size)
    if unshared is not None:
        raise DataError(unshared)
    asked = config.evaluation.measures or ()
    for name, network in config.autoencoder.networks().items():
        misfit = network.misfit(dataset.train.image.shape[1:])
        if misfit:
            raise DataError(f"autoencoder.{name}={network.kind} does not fit {dataset.name}: {misfit}")
    misfit = config.autoencoder.misfit(num_train)
    if misfit:
        raise DataError(f"autoencoder.{misfit}")
    if config.autoencoder.likelihood.kind == "logistic_mixture" and dataset.train.image.dtype != np.uint8:
        raise DataError(
            f"autoencoder.likelihood=logistic_mixture is of pixels with 256 levels, and those of {dataset.name} are "
            f"{dataset.train.image.dtype}; save them as uint8, or use another likelihood"
        )
    shape = dataset.train.image.shape[1:]
    needed = preprocessing.demand(config.data.preprocessing, num_train, math.prod(shape)).num_bytes
    if needed > memory_bytes():
        raise DataError(
            f"data.preprocessing={config.data.preprocessing} of {num_train} images of {math.prod(shape)} pixels takes "
            f"about {needed / 1e9:.3g} GB, and this machine has {memory_bytes() / 1e9:.3g} GB of memory; use "
            "standardize, or fewer images (data.train_size) than pixels"
        )
    sampler = config.generation.sampler
    if not isinstance(sampler, NoSampler):
        check_compared(config.generation, dataset)
    if sampler.kind not in ("none", "prior") and not config.autoencoder.DISCRETE:
        size = code_space(make_autoencoder(config.autoencoder, dataset.train.image.shape[1:])).size
        if size > MOST_NUMBERS:
            raise DataError(
                f"generation.sampler={sampler.kind} is of codes of at most {MOST_NUMBERS} numbers, and those of "
                f"autoencoder={config.autoencoder.kind} have {size}; use a family with fewer, or sampler=prior"
            )
    layers = [*config.evaluation.layers, *(config.fine_tuning.layers or ())]
    if layers:
        check_layers(config, layers, dataset.train.image.shape[1:])
    check_labels(config.evaluation, "data", dataset)
    if config.fine_tuning.labels_per_class is not None:
        check_label_counts("fine_tuning", config.fine_tuning.labels_per_class, "data", dataset)
    if "disentanglement" in asked and not dataset.factor_names:
        raise DataError(
            f"evaluation.measures has 'disentanglement', and {dataset.name} does not know what its images were made "
            "from; leave it out, or use data that do: aejax_sprites, dsprites, shapes3d, smallnorb, .npz with 'factor'"
        )
    factor = {name: split.factor for name, split in dataset.splits.items() if split.factor is not None}
    if "disentanglement" in asked and num_comparable(factor) < 2:
        raise DataError(
            f"evaluation.measures has 'disentanglement', and fewer than two factors of {dataset.name} vary in every "
            "split; leave it out"
        )
    needy: list[str] = [name for name in asked if name in NEED_LABELS]
    needy += [name for name in config.evaluation.baselines or () if baseline(name).needs_labels]
    if needy and dataset.num_classes is None:
        raise DataError(f"{dataset.name} {dataset.unlabelled}, and evaluation asks for '{needy[0]}', which needs them")
    for name, other in others.items():
        shapes = [data.train.image.shape[1:] for data in (dataset, other)]
        if shapes[0] != shapes[1]:
            raise DataError(
                f"evaluation.{name}: images of {other.name} are {shapes[1]} and those of {dataset.name} {shapes[0]}; "
                "the same encoder cannot read both, so choose data of one shape"
            )
    if "transfer" in others:
        transfer = others["transfer"]
        if transfer.num_classes is None:
            raise DataError(
                f"evaluation.transfer: {transfer.name} {transfer.unlabelled}, and features are to tell its classes; "
                "choose other data"
            )
        check_labels(config.evaluation, "evaluation.transfer", transfer)


def check_layers(config: Config, layers: Sequence[str], image_shape: tuple[int, ...]) -> None:
    """Checks that an encoder has layers of these names.

    Raises:
      DataError: naming the first that it has not, and all that it has.
    """
    known = list(layer_shapes(make_autoencoder(config.autoencoder, image_shape), image_shape, "features"))
    unknown = [name for name in layers if name not in known]
    if unknown:
        raise DataError(f"the encoder has no layer '{unknown[0]}'; there are {', '.join(known)}")
