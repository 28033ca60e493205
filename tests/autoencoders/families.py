"""What the tests of families share: training one member or a population, and a problem that PCA solves."""

import functools

import jax
import numpy as np

from aejax.autoencoders.zoo import make_autoencoder
from aejax.data.load import Dataset, Split
from aejax.data.resident import Batch, make_resident
from aejax.evaluation.likelihood import Density
from aejax.experiment import Config, check
from aejax.networks.dense import Dense
from aejax.objectives.likelihoods import Bernoulli, HalfSquaredError
from aejax.objectives.posteriors import Posterior, draw_gaussian
from aejax.sweep import expand, grid, group
from aejax.training.fit import fit as fit_task
from aejax.training.loop import train
from aejax.training.optimizers import Adam, Cosine
from aejax.training.population import Members
from aejax.training.step import TrainingConfig
from tests.methods import make_task

# What variational families are tried with.
IMAGE = np.random.default_rng(0).uniform(size=(6, 8, 8, 1)).astype(np.float32)
SMALL = {"encoder": Dense(widths=(12,), activation="tanh"), "latent_size": 3, "likelihood": Bernoulli()}


def fit(config, image, *, validate=True):
    """Returns (resident data, model, variables, metrics) after training one member on images alone.

    Without validation images a third less has to be compiled.
    """
    split = Split(image=image, label=None)
    validation = split if validate else Split(image=image[:0], label=None)
    dataset = Dataset(name="x", train=split, validation=validation, test=split, num_classes=None, fingerprint="")
    data = jax.device_put(make_resident(dataset, "none"))
    task = make_task("autoencoder", image.shape[1:], None)(config)
    fitted = fit_task(task, data)
    return data, fitted.model, fitted.variables, fitted.curves


def gaussian_density(posterior, distortion, prior, *, discrete=False):
    """The density of a model whose posteriors are Gaussians: `posterior` gives their means and log variances."""

    def rate(of_images, draw):
        return prior.kl(of_images.mean, of_images.log_variance, draw.latent)

    return Density(
        posterior=lambda stored: Posterior(*posterior(stored)),
        center=lambda of_images: of_images.mean,
        draw=draw_gaussian,
        rate=rate,
        distortion=distortion,
        discrete=discrete,
        prior=lambda: prior,
    )


def initialize(family, image, label=None, num_classes=None):
    """Returns (model, variables) before training, for float32 images [batch, height, width, channels]."""
    model = make_autoencoder(family, image.shape[1:], num_classes)
    init = jax.jit(lambda key, image, label: model.init(key, Batch(image, label), train=False, method="terms"))
    return model, init(jax.random.key(0), image, label)


def assert_finite_at_extremes(family, spread):
    """Trains on one-pixel images, with a layer's biases and the decoder's far beyond what data ask for.

    `spread` names the layer of the posteriors' widths, whose numbers are then far beyond what is kept of them; None:
    there is none. Logits are of ±100.
    """
    image = np.random.default_rng(0).integers(0, 2, (4, 1, 1, 1)).astype(np.float32)
    model, variables = initialize(family, image)

    @jax.jit
    @jax.value_and_grad
    def loss(params):
        keys, own = {"noise": jax.random.key(0)}, {**variables, "params": params}
        terms = model.apply(own, Batch(image, None), train=True, method="terms", rngs=keys)
        return sum(jax.numpy.mean(term) for term in terms.values())

    for bias in (-1e3, 0.0, 1e3):
        params = dict(variables["params"])
        for name, shift in (("decoder", bias / 10), (spread, bias)):
            if name is not None:
                params[name] = changed(params[name], lambda leaf: leaf + shift)  # noqa: B023
        value, gradient = jax.device_get(loss(params))
        assert np.isfinite(value)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


def changed(variables, change):
    """Variables after a function has changed every array, in host memory, where that compiles nothing."""
    return jax.device_put(jax.tree.map(lambda leaf: change(leaf).astype(leaf.dtype), jax.device_get(variables)))


@functools.partial(jax.jit, static_argnames=("model", "layer", "method"))
def apply(model, variables, x, layer=None, *, method):
    """The result of a model's method: one program, where op by op each would be compiled."""
    return model.apply(variables, x, *(() if layer is None else (layer,)), method=method)


def fit_population(family, field, values, data, precision="float32"):
    """Returns the metrics, [values, epochs], of a family's members that differ in one field: a single population."""
    config = Config(autoencoder=family, training=TrainingConfig(epochs=4, batch_size=20, precision=precision))
    (population,) = group(expand(config, grid(f"autoencoder.{field}", values)))
    for member in population.members:
        check(member)
    chunks = []
    train(
        Members(population.members),
        make_task("autoencoder", data.image["train"].shape[1:], None),
        data,
        write=lambda first, metrics: chunks.append((first, metrics)),
        description="",
        chunk_epochs=config.training.epochs,
    )
    rounds = [metrics for _, metrics in sorted(chunks, key=lambda chunk: chunk[0])]
    return jax.tree.map(lambda *parts: np.concatenate(parts), *rounds)


def fit_linear(family):
    """Trains a linear autoencoder with three units on images with twelve factors, by full batches.

    Returns:
      Its squared error divided by that of PCA, its parameters, and the three leading principal axes, [3, 16].
    """
    generator = np.random.default_rng(0)
    factors = generator.normal(size=(200, 12)) * np.linspace(1.0, 0.1, 12)
    image = (factors @ generator.normal(size=(12, 16)) * 0.05 + 0.5).reshape(200, 4, 4, 1).astype(np.float32)
    config = Config(
        autoencoder=family(encoder=Dense(widths=()), latent_size=3, likelihood=HalfSquaredError(output="identity")),
        optimizer=Adam(learning_rate=0.02, schedule=Cosine()),
        training=TrainingConfig(epochs=5000, batch_size="all"),
    )
    data, model, variables, _ = fit(config, np.clip(image, 0, 1))
    x = np.asarray(data.image["train"]).reshape(200, 16)
    _, singular, axes = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    reconstruction = model.apply(variables, data.image["train"], method="reconstruct").reshape(200, 16)
    return np.sum((x - reconstruction) ** 2) / np.sum(singular[3:] ** 2), variables["params"], axes[:3]


def share_outside(vectors, axes):
    """Returns the norm of what vectors [num, size] lose when projected on axes [k, size], divided by their norm."""
    vectors = np.asarray(vectors)
    return np.linalg.norm(vectors - vectors @ axes.T @ axes) / np.linalg.norm(vectors)
