"""What methods that make images have in common."""

import abc
from collections.abc import Mapping
from typing import Any, ClassVar

from aejax.data.resident import ResidentData
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.methods.base import Method, features_unmeasured
from aejax.training.step import Task


class ImageMethod(Method, abc.ABC):
    """A method that makes images, in studies whose autoencoders have a sampler of codes.

    `draws` is whether its images are new, so that it is asked how many of them copy training images.
    """

    draws: ClassVar[bool] = True
    chosen_by = "validation_frechet_distance"
    absent = (
        "its autoencoders have no sampler of codes; run its command again in another workdir with --set "
        "generation.sampler=mixture, or ask for another --kind"
    )

    def wanted(self, config: Config, *, labelled: bool) -> bool:
        """Whether there is a sampler."""
        del labelled
        return config.generation.sampler.kind != "none"

    def evaluation(self, config: Config) -> EvaluationConfig:
        """Nothing of features: its images are compared with real ones."""
        return features_unmeasured(config.evaluation)

    def images_of_classes(self, task: Task | None, variables: Any, data: ResidentData) -> Any:
        """Makes images for a picture of classes, [draws, classes, ...] as stored; None: its images have no labels."""
        del task, variables, data

    @abc.abstractmethod
    def images(self, task: Task | None, variables: Any, data: ResidentData, num: Mapping[str, int]) -> dict[str, Any]:
        """Makes `num` images for each split, in the form in which those of the data are stored.

        The other arguments are as of `represent`.
        """
