"""The autoencoder with a sampler of its codes: images that it makes by itself."""

import functools
from collections.abc import Mapping
from typing import Any

from aejax.autoencoders.zoo import make_autoencoder
from aejax.data.resident import ResidentData
from aejax.evaluation.classifier import AUTOENCODER
from aejax.experiment import Config
from aejax.methods.base import EVERYTHING, FitOnHost, at_once
from aejax.methods.images import ImageMethod
from aejax.methods.zoo import SUBJECT
from aejax.samplers.drawing import draw_splits, generated, of_classes
from aejax.samplers.generator import add_codes, fit_at_once, fit_on_host, make_generator
from aejax.training.config import TrainingConfig
from aejax.training.step import Stage, Task


class GeneratorMethod(ImageMethod):
    """A sampler, on the codes of an autoencoder that stays as it is."""

    reads = (*EVERYTHING, "generation")
    has_parameters = True
    trains = True
    warm_start_from = SUBJECT

    def task(self, config: Config, image_shape: tuple[int, ...], num_classes: int | None) -> Task:
        """Makes the task of the sampler, on codes that are made once."""
        generation, epochs = config.generation, self.epochs(config)
        generator = make_generator(make_autoencoder(config.autoencoder, image_shape, num_classes), generation.sampler)
        num = at_once(config, image_shape)
        return Task(
            generator,
            generation.optimizer,
            TrainingConfig(
                epochs=epochs,
                batch_size=generation.batch_size,
                members_at_once=config.training.members_at_once,
                devices_per_member=config.training.devices_per_member,
            ),
            config.seed,
            (Stage(epochs),),
            prepare_data=functools.partial(add_codes, generator, num),
            rates=((AUTOENCODER, None),),
            prepare=functools.partial(fit_at_once, generator, config.seed),
            at_once=num,
        )

    def epochs(self, config: Config) -> int:
        """Those of a sampler that learns; others are fitted at once."""
        return config.generation.epochs if config.generation.sampler.LEARNED else 0

    def fit_on_host(self, task: Task) -> FitOnHost | None:
        """What fits a sampler of a library; None: JAX fits it."""
        sampler = task.model.sampler
        return functools.partial(fit_on_host, sampler) if sampler.config.ON_HOST else None

    def images(self, task: Task | None, variables: Any, data: ResidentData, num: Mapping[str, int]) -> dict[str, Any]:
        """Draws codes, and decodes them."""
        assert task is not None, "a generator has parameters"
        return draw_splits(generated(task.model, variables, data), num)

    def images_of_classes(self, task: Task | None, variables: Any, data: ResidentData) -> Any:
        """Decodes the same codes with each of the first classes, of a conditional family."""
        assert task is not None, "a generator has parameters"
        if task.model.autoencoder.config.condition is None:
            return None
        return of_classes(task.model, variables, data)
