"""M2: its bounds with a label and without as numpy computes them, its guesses, and what labels train."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from aejax.autoencoders.m2 import M2Config
from aejax.config import override
from aejax.data.resident import Batch
from aejax.errors import ConfigError
from aejax.experiment import Config, check, check_data
from aejax.networks.dense import Dense
from aejax.objectives.likelihoods import OptimalGaussian
from aejax.training.semi_supervised import SemiSupervisedConfig
from tests.autoencoders.families import IMAGE, SMALL, changed, initialize

FAMILY = M2Config(
    **SMALL,
    classifier=Dense(widths=(7,), activation="tanh"),
    width=9,
    activation="tanh",
    classification_weight=0.3,
    warmup_epochs=4.0,
)
LABEL = jnp.asarray([0, 1, 2, -1, -1, 1])
CLASSES, UNITS = 3, 3


@pytest.fixture(scope="module")
def drawn():
    """The model, variables of which none is what it begins with, and the results that tests look at."""
    model, variables = initialize(FAMILY, IMAGE, LABEL, CLASSES)
    variables = changed(variables, lambda leaf: 1.5 * leaf + 0.1)

    @jax.jit
    def use(variables, label):
        call = lambda *arguments, **keywords: model.apply(variables, *arguments, **keywords)  # noqa: E731

        def loss(variables, label):
            terms = model.apply(variables, Batch(IMAGE, label), train=False, method="terms")
            return sum(jnp.sum(term) for term in terms.values())

        return {
            "terms": call(Batch(IMAGE, label, epoch=jnp.float32(1)), train=False, method="terms"),
            "scores": call(IMAGE, train=False, method="scores"),
            "code": call(IMAGE, method="encode"),
            "image": call(IMAGE, label, method="reconstruct"),
            "gradient": jax.grad(loss)(variables, label)["params"]["score"]["kernel"],
        }

    return variables, lambda label: jax.device_get(use(variables, label))


class InNumpy:
    """The networks in double precision, with the noise of evaluation."""

    def __init__(self, variables):
        self.params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), variables["params"])
        self.image = IMAGE.reshape(len(IMAGE), -1).astype(np.float64)

    def dense(self, name, x):
        return x @ self.params[name]["kernel"] + self.params[name].get("bias", 0.0)

    def hidden(self, network, x):
        layer = self.params[network]["DenseStack_0"]["Dense_0"]
        return np.tanh(x @ layer["kernel"] + layer["bias"])

    def logits(self):
        return self.dense("score", self.hidden("classifier", self.image))

    def posteriors(self):
        of_image, of_label = (
            self.dense("of_image", self.hidden("encoder", self.image)),
            self.params["of_label"]["kernel"],
        )
        joint = np.tanh(of_image[:, None] + of_label[None])
        return self.dense("latent", joint), self.dense("log_variance", joint)

    def decode(self, latent, label):
        x = np.concatenate([latent, np.eye(CLASSES)[label]], axis=1)
        last = self.params["decoder"]["Dense_0"]
        return self.hidden("decoder", x) @ last["kernel"] + last["bias"]

    def bounds(self):
        """−log p(x|y, z) and KL(q(z|x, y) ‖ p(z)), [images, classes] each: one image and one class after another."""
        mean, log_variance = self.posteriors()
        noise = np.asarray(jax.random.normal(jax.random.key(0), (1, len(IMAGE) * CLASSES, UNITS)), np.float64)
        latent = mean + np.exp(0.5 * log_variance) * noise.reshape(len(IMAGE), CLASSES, UNITS)
        losses = np.zeros((len(IMAGE), CLASSES))
        for i, y in np.ndindex(losses.shape):
            logit = self.decode(latent[i, [y]], [y])[0]
            losses[i, y] = -np.sum(self.image[i] * logit - np.logaddexp(0, logit))
        return losses, 0.5 * np.sum(mean**2 + np.exp(log_variance) - 1 - log_variance, axis=2)


def close(own, expected):
    np.testing.assert_allclose(own, expected, rtol=1e-5, atol=1e-5)


def test_the_bounds_of_images_with_labels_and_without_are_those_of_numpy(drawn):
    variables, use = drawn
    terms, ours = use(LABEL)["terms"], InNumpy(variables)
    reconstruction, divergence = ours.bounds()
    probability = scipy.special.softmax(ours.logits(), axis=1)
    bound = reconstruction + 0.25 * divergence + np.log(CLASSES)  # L(x, y), after a quarter of the warm-up.
    total = sum(terms.values())
    for i, y in enumerate(np.asarray(LABEL)):
        if y >= 0:
            close(terms["reconstruction"][i], reconstruction[i, y])
            close(total[i], bound[i, y] - 0.3 * np.log(probability[i, y]))
        else:
            entropy = -np.sum(probability[i] * np.log(probability[i]))
            close(total[i], np.sum(probability[i] * bound[i]) - entropy)
            assert terms["classification"][i] == 0
    assert tuple(sorted(terms)) == tuple(sorted(FAMILY.term_names()))


def test_images_are_encoded_and_reconstructed_by_the_label_that_it_guesses(drawn):
    variables, use = drawn
    found, ours = use(LABEL), InNumpy(variables)
    logits, (mean, _) = ours.logits(), ours.posteriors()
    guess = np.argmax(logits, axis=1)
    close(found["scores"], logits)
    close(found["code"], mean[np.arange(6), guess])
    close(found["image"].reshape(6, -1), scipy.special.expit(ours.decode(mean[np.arange(6), guess], guess)))
    other = use((LABEL + 1) % CLASSES)
    for name in ("scores", "code", "image"):
        np.testing.assert_array_equal(other[name], found[name])


def test_images_without_labels_train_the_classifier_and_those_with_labels_by_their_weight(drawn):
    _, use = drawn
    unlabelled = use(jnp.full(6, -1))["gradient"]
    labelled = use(jnp.asarray([0, 1, 2, 0, 1, 1]))["gradient"]
    assert np.abs(unlabelled).max() > 1e-3
    variables, _ = drawn
    ours = InNumpy(variables)
    wrong = scipy.special.softmax(ours.logits(), axis=1) - np.eye(CLASSES)[[0, 1, 2, 0, 1, 1]]
    close(labelled, 0.3 * ours.hidden("classifier", ours.image).T @ wrong)


def test_what_does_not_go_with_it_is_refused_and_any_number_of_classes_is_not(dataset):
    config = Config(autoencoder=FAMILY, semi_supervised=SemiSupervisedConfig(epochs=1, weight=0.1))
    check(config)
    check_data(config, dataset)  # Of four classes, and a latent of three units.
    for changes, words in (
        ({"autoencoder.latent_activation": "relu"}, "latent_activation=relu"),
        ({"autoencoder.likelihood": OptimalGaussian().kind}, "suits all classes of an image alike"),
    ):
        with pytest.raises(ConfigError, match=words):
            check(override(config, changes))
