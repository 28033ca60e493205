"""Measuring generators: the images that each draws, and how much these are like real ones."""

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from aejax.data import preprocessing
from aejax.data.load import DataConfig, Dataset
from aejax.data.resident import ResidentData
from aejax.errors import ConfigError, DataError, in_one_line
from aejax.evaluation.feature_network import FeatureNetwork, feature_network
from aejax.evaluation.generation import Reference, compare, make_reference, nearest_training
from aejax.experiment import Config
from aejax.methods.images import ImageMethod
from aejax.samplers.zoo import CLASSIFIER, GenerationConfig
from aejax.study.job import Execution, FeatureFunction, Source
from aejax.training.compilation import wait_for_compilations
from aejax.training.population import Members, share, to_host

NUM_TRIED = 2  # Images that the user's function is tried with before anything is trained.
NUM_CHECKED = 1000  # Of the drawn images, whose nearest training images are looked for.
NUM_PICTURED = 64
NUM_PICTURED_NEAREST = 16
# A generator has collapsed below this share of the classes, or of real images in the neighborhood of drawn ones.
COLLAPSED_CLASSES, COLLAPSED_RECALL = 0.5, 0.1


class Judge(NamedTuple):
    """What images of one data set are compared by, and the real ones that they are compared with."""

    network: FeatureNetwork | None  # None: a function of the user's.
    function: FeatureFunction | None
    references: dict[str, Reference]  # By split, on the devices.
    num: dict[str, int]  # How many images are compared, by split.


def judge_of(execution: Execution) -> Judge:
    """Returns the judge of a job, made once for all jobs that have the same."""
    source, generation, function = execution.source("own"), execution.configs[0].generation, execution.options.features
    key = generation.num_samples, generation.num_neighbors, generation.features
    if key not in source.judges:
        source.judges[key] = make_judge(source, generation, function)
    return source.judges[key]


def check_features(configs: Sequence[Config], function: FeatureFunction | None) -> None:
    """Checks that the function of a study's features was given: a file is run only by who names it.

    Raises:
      ConfigError: if it was not, or if one was that the study does not want.
    """
    for config in configs:
        features = config.generation.features
        if config.generation.sampler.kind == "none" or (features == CLASSIFIER) == (function is None):
            continue
        if function is not None:
            raise ConfigError("--features is given, and the study's generation.features is classifier; leave it out")
        raise ConfigError(
            f"generation.features={features} names code of yours, which is run only if you ask for it: give "
            f"--features={features}"
        )


def try_features(
    configs: Sequence[Config], datasets: Mapping[DataConfig, Dataset], function: FeatureFunction | None
) -> None:
    """Calls the user's function, if it is to be used, with the first images of each data set.

    Raises:
      DataError: if it fails, or returns something else than features.
    """
    generating = [config.data for config in configs if config.generation.sampler.kind != "none"]
    if function is not None:
        for data in dict.fromkeys(generating):
            call(function, datasets[data].train.image[:NUM_TRIED])


def make_judge(source: Source, generation: GenerationConfig, function: FeatureFunction | None) -> Judge:
    """Returns the judge of a data set.

    Args:
      source: with the real images.
      generation: of a member.
      function: the user's, if `generation.features` names one.

    Raises:
      DataError: if the function fails.
    """
    num = generation.num_compared(source.dataset)
    network = None if function is not None else feature_network(source.dataset)
    references = {}
    for name, count in num.items():
        real = jnp.asarray(source.dataset.splits[name].image[:count])
        if function is not None:
            features = jnp.asarray(call(function, np.asarray(real)))
        else:
            assert network is not None
            features = jax.jit(lambda variables, image: network.features(variables, image)[0])(network.variables, real)
        references[name] = jax.jit(functools.partial(make_reference, k=generation.num_neighbors))(features)
    return Judge(network, function, share(jax.device_get(references)), num)


def call(function: FeatureFunction, image: np.ndarray, size: int | None = None) -> np.ndarray:
    """Returns the user's features, float32 [n, d], of images as they are stored.

    Args:
      function: of images.
      image: what it is given, scaled to [0, 1].
      size: how many features it returned of other images; None: it was not called before.

    Raises:
      DataError: if the function fails or would end the process, or returns something else.
    """
    unit = np.asarray(preprocessing.to_unit(image))
    try:
        features = np.asarray(function(unit), np.float32)
    except (Exception, SystemExit) as error:
        raise DataError(f"--features: the function failed ({in_one_line(error)})") from error
    if features.ndim != 2 or len(features) != len(image) or not features.shape[1]:
        raise DataError(
            f"--features: for {len(image)} images the function returned {features.shape}; it should return finite "
            "numbers, [images, features]"
        )
    if not np.isfinite(features).all():
        raise DataError("--features: the function returned NaN or infinity; it should return finite numbers")
    if size is not None and features.shape[1] != size:
        raise DataError(
            f"--features: the function returned {features.shape[1]} features of an image, and {size} of others; it "
            "should return as many of every one"
        )
    return features


def _drawing(execution: Execution, method: ImageMethod, judge: Any) -> Callable[..., Any]:
    """Returns the program of a member's images: of each split, what the network says of them, and those of classes."""

    def draw_member(config: Config, variables: Any, shared: tuple[ResidentData, Any]) -> Any:
        data, of_network = shared
        task = execution.task_or_none(config)
        images = method.images(task, variables, data, judge.num)
        outputs = None
        if judge.network is not None:
            outputs = {split: judge.network.features(of_network, image) for split, image in images.items()}
        return images, outputs, method.images_of_classes(task, variables, data)

    return draw_member


def measure_generators(
    execution: Execution, variables: list[Any]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, float]]:
    """Returns metrics, arrays [members]; pictures, arrays [members, ...]; and the cost.

    Metrics are those of `compare`, of validation and test images; `classes`, the exponential of the entropy of the
    classes that the network sees; `modes_collapsed`, 1 or 0; of generators, `memorized` and `nearest_distance` of the
    first drawn images.
    """
    method, members = execution.job.method, execution.members
    assert isinstance(method, ImageMethod), "only methods that make images are measured by these"
    generation, judge = execution.configs[0].generation, judge_of(execution)
    execution.options.say(_describe(execution, judge))
    network_variables = () if judge.network is None else share(judge.network.variables)

    def judge_member(_: Config, drawn: Any, shared: tuple[ResidentData, dict[str, Reference]]) -> dict[str, jax.Array]:
        data, references = shared
        images, features, classes = drawn
        metrics: dict[str, jax.Array] = {}
        for split, reference in references.items():
            of_split = compare(reference, features[split], generation.num_neighbors)
            of_split |= _modes(
                of_split["recall"], None if classes is None else classes[split], execution.dataset.num_classes or 0
            )
            metrics |= {f"{split}_{name}": value for name, value in of_split.items()}
        if method.draws:
            checked = preprocessing.to_unit(images["test"][:NUM_CHECKED])
            nearest = nearest_training(checked, data.image["train"])
            metrics["test_memorized"] = nearest.memorized
            metrics["test_nearest_distance"] = jnp.mean(nearest.distance)
            metrics["nearest"] = nearest.training_index[:NUM_PICTURED_NEAREST]
        return metrics

    drawing = members.compile(_drawing(execution, method, judge), variables[0], (execution.data, network_variables))
    judging = None
    results, samples, of_classes = [], [], []
    wait_for_compilations()
    compile_seconds = drawing.compile_seconds
    started = time.perf_counter()
    for index in execution.rounds(members):
        images, outputs, by_class = drawing(index, variables[index], (execution.data, network_variables))
        drawn = (images, *_features(judge, members, images, outputs))
        if judging is None:
            before = time.perf_counter()
            judging = members.compile(judge_member, drawn, (execution.data, judge.references))
            compile_seconds += judging.compile_seconds
            started += time.perf_counter() - before
        results.append(to_host(judging(index, drawn, (execution.data, judge.references))))
        samples.append(to_host(images["test"][:, :NUM_PICTURED]))
        of_classes.append(to_host(by_class))
    cost = evaluation_cost(members, time.perf_counter() - started, compile_seconds)
    metrics = members.fetch(results)
    pictures = {"sample": members.fetch(samples)}
    if of_classes[0] is not None:
        pictures["of_classes"] = members.fetch(of_classes)
    if "nearest" in metrics:
        pictures["nearest"] = execution.dataset.train.image[metrics.pop("nearest")]
    if judge.network is not None:
        metrics["feature_accuracy"] = np.full(members.num, judge.network.accuracy, np.float32)
    return metrics, pictures, cost


def evaluation_cost(members: Members, seconds: float, compile_seconds: float) -> dict[str, float]:
    """The cost of evaluating all members, as results.json holds it: seconds of each, and of compiling."""
    return {"evaluation_seconds": seconds / members.num, "evaluation_compile_seconds": compile_seconds}


def _describe(execution: Execution, judge: Judge) -> str:
    counts = ", ".join(f"{num} {split}" for split, num in judge.num.items())
    if judge.network is None:
        by = f"features of {execution.configs[0].generation.features}"
    else:
        by = f"features of {judge.network.name}, right on {100 * judge.network.accuracy:.1f} % of the test images"
    return f"{execution.job}: compared with as many real images of {execution.dataset.name} ({counts}) by {by}"


def _features(judge: Judge, members: Members, images: dict[str, jax.Array], outputs: Any) -> tuple[Any, Any]:
    """Returns features and classes (None: of a user's features there are none) of a round's images, by split."""
    if outputs is not None:
        return {split: pair[0] for split, pair in outputs.items()}, {split: pair[1] for split, pair in outputs.items()}
    assert judge.function is not None
    features = {}
    for split, image in to_host(images).items():
        size = judge.references[split].features.shape[-1]
        features[split] = members.place(np.stack([call(judge.function, own, size) for own in image]))
    return features, None


def _modes(recall: jax.Array, classes: jax.Array | None, num_classes: int) -> dict[str, jax.Array]:
    """Returns whether a generator's modes collapsed, and how many classes it draws where the network sees classes."""
    metrics: dict[str, jax.Array] = {}
    collapsed = recall < COLLAPSED_RECALL
    if classes is not None:
        metrics["classes"] = _effective_number(classes, num_classes)
        collapsed |= metrics["classes"] < COLLAPSED_CLASSES * num_classes
    return metrics | {"modes_collapsed": collapsed.astype(jnp.float32)}


def _effective_number(classes: jax.Array, num_classes: int) -> jax.Array:
    """Returns the exponential of the entropy of a histogram: how many classes there are, if all were as frequent."""
    share_ = jnp.mean(jax.nn.one_hot(classes, num_classes), axis=0)
    return jnp.exp(-jnp.sum(jnp.where(share_ > 0, share_ * jnp.log(jnp.where(share_ > 0, share_, 1.0)), 0.0)))
