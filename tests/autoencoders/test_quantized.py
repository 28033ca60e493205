"""Discrete codes: quantization and its gradient, codebooks that move, entropies, and codes there and back."""

import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.special
import scipy.stats

from aejax.autoencoders.fsq import FsqConfig
from aejax.autoencoders.gumbel_softmax import GumbelSoftmaxConfig
from aejax.autoencoders.lookup_free import LookupFreeConfig
from aejax.autoencoders.residual_vq import ResidualVqConfig
from aejax.autoencoders.sim_vq import SimVqConfig
from aejax.autoencoders.vae import VaeConfig
from aejax.autoencoders.vq_vae import VqVaeConfig
from aejax.autoencoders.zoo import make_autoencoder
from aejax.data.resident import Batch
from aejax.errors import ConfigError
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config, check
from aejax.networks import grids
from aejax.networks.convolutional import Convolutional
from aejax.networks.dense import Dense
from aejax.objectives.divergences import uniform_kl
from aejax.training.step import init_state, init_variables
from tests.autoencoders.families import changed, fit_population, initialize
from tests.methods import make_task

GENERATOR = np.random.default_rng(0)
IMAGE = GENERATOR.uniform(size=(6, 8, 8, 1)).astype(np.float32)
SMALL = {"encoder": Dense(widths=(12,)), "latent_size": 4, "num_positions": 3}
CONV = {"encoder": Convolutional(widths=(3,)), "latent_size": 4}
FAMILIES = {
    "vq_vae": VqVaeConfig(**SMALL, codebook_size=8),
    "vq_vae of a map, by gradients": VqVaeConfig(**CONV, codebook_size=8, update="gradient"),
    "residual_vq": ResidualVqConfig(**CONV, codebook_size=4, depth=3, groups=2, dropout=0.5),
    "sim_vq": SimVqConfig(
        **SMALL, codebook_size=8, code_size=2, similarity="cosine", gradient="rotation", orthogonality=0.1
    ),
    "fsq": FsqConfig(**CONV, levels=(4, 3, 2, 5)),
    "lookup_free": LookupFreeConfig(**CONV),
    "gumbel_softmax": GumbelSoftmaxConfig(**SMALL),
}


def close(found, expected, rtol=1e-5):
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=1e-5)


def draw(*shape):
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


@functools.cache
class Trained:
    """A model with codes that are not all the same, and its methods, jitted."""

    def __init__(self, family):
        self.model, variables = initialize(family, IMAGE)
        # Biases are zero at first, and codes mostly the same.
        other = lambda leaf: 1.5 * leaf + 0.1 * np.sin(np.arange(leaf.size)).reshape(leaf.shape)  # noqa: E731
        self.variables = changed(variables, other)

    def __call__(self, method, *arguments, **keywords):
        call = lambda variables: self.model.apply(variables, *arguments, method=method, **keywords)  # noqa: E731
        return jax.jit(call)(self.variables)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_codes_are_indices_that_decode_to_what_the_latent_decodes_to(family):
    check(Config(autoencoder=family))
    trained = Trained(family)
    places = 16 if family.encoder.kind != "dense" else 3

    @jax.jit
    def use(variables):
        apply = functools.partial(trained.model.apply, variables)
        latent, code = (apply(IMAGE, method=method) for method in ("encode", "code"))
        return latent, code, apply(code, method="decode_code"), apply(latent, method="decode")

    latent, code, of_code, of_latent = jax.device_get(use(trained.variables))
    assert latent.shape == (6, places * 4)
    assert code.shape == (6, places * family.num_codebooks)
    assert code.dtype == jnp.int32
    assert np.all((code >= 0) & (code < trained.model.config.num_categories))
    assert len(np.unique(code)) > 1
    np.testing.assert_array_equal(of_code, of_latent)
    # A place is what its code says, whatever image it is of.
    vectors = np.asarray(latent).reshape(-1, 4)
    codes = np.asarray(code).reshape(len(vectors), -1)
    assert len(np.unique(np.hstack([codes, vectors]), axis=0)) == len(np.unique(codes, axis=0))


@pytest.mark.parametrize("kind", [kind for kind in FAMILIES if kind not in ("gumbel_softmax", "sim_vq")])
def test_quantization_has_the_gradient_of_the_identity(kind):
    family = FAMILIES[kind]
    trained, vectors, weight = Trained(family), draw(2, 3, 4), draw(2, 3, 4)
    total = lambda vectors: jnp.sum(weight * trained.model.apply(trained.variables, vectors, method="quantize"))  # noqa: E731
    slope = jax.jit(jax.grad(total))(vectors)
    expected = weight
    if kind == "fsq":  # Of the bounded numbers, which the levels' scale divides.
        bounded = jax.jit(jax.grad(lambda x: jnp.sum(weight * grids.bound_levels(x, family.levels))))(vectors)
        expected = np.asarray(bounded) / np.array([2, 1, 1, 2])
    close(slope, expected)


def test_a_decoder_of_maps_sees_each_place_of_a_map_by_itself():
    trained = Trained(VqVaeConfig(encoder=Convolutional(widths=(3,), kernel_size=2), latent_size=4, codebook_size=8))
    code = np.zeros((1, 16), np.int32)
    other = code.copy()
    other[0, 1] = 5  # Row 0, column 1: with this kernel, of the pixels at rows 0, 1 and columns 2, 3.
    changed = np.array(trained("decode_code", code) != trained("decode_code", other))[0, :, :, 0]
    assert changed[:2, 2:4].any()
    changed[:2, 2:4] = False
    assert not changed.any()


def test_the_terms_are_those_of_the_paper_and_each_teaches_its_own_side():
    family = dataclasses.replace(FAMILIES["vq_vae of a map, by gradients"], commitment=0.5)
    trained = Trained(family)
    terms = trained("terms", Batch(IMAGE, None), train=False)
    vectors, latent = trained("preactivate", IMAGE), np.asarray(trained("encode", IMAGE)).reshape(6, 16, 4)
    expected = np.sum((np.asarray(vectors) - latent) ** 2, axis=(1, 2))
    close(terms["commitment"], 0.5 * expected)
    close(terms["codebook"], expected)

    @jax.jit
    @jax.jacrev
    def slopes_of(variables):
        found = trained.model.apply(variables, Batch(IMAGE, None), train=False, method="terms")
        return {name: jnp.sum(term) for name, term in found.items()}

    slopes = {name: slope["params"] for name, slope in jax.device_get(slopes_of(trained.variables)).items()}
    learning = {
        name: {part for part, slope in parts.items() if any(np.any(leaf) for leaf in jax.tree.leaves(slope))}
        for name, parts in slopes.items()
    }
    assert learning == {
        "reconstruction": {"encoder", "latent", "decoder"},
        "commitment": {"encoder", "latent"},
        "codebook": {"codebooks"},
    }


def begin(family, data):
    """Returns the model, the variables that training begins with, and those that were drawn."""
    task = make_task("autoencoder", (8, 8, 1), None)(Config(autoencoder=family))
    begun, drawn = jax.jit(lambda data: (init_state(task, data).current_variables(), init_variables(task, data)))(data)
    return task.model, begun, drawn


@pytest.mark.parametrize("update", ["ema", "gradient"])
def test_kmeans_begins_with_a_fraction_of_the_error_and_all_codes_in_use(update, data):
    model, begun, drawn = begin(VqVaeConfig(**CONV, codebook_size=16, update=update), data)
    image = data.image["test"].astype(jnp.float32) / 255

    @jax.jit
    def use(variables):
        return model.apply(variables, image, method="preactivate"), *(
            model.apply(variables, image, method=method) for method in ("encode", "code")
        )

    error = []
    for variables in (drawn, begun):
        vectors, latent, code = use(variables)
        error.append(np.mean((np.asarray(vectors) - np.asarray(latent).reshape(100, 16, 4)) ** 2))
    assert error[1] < 0.2 * error[0]
    assert len(np.unique(code)) == 16
    # It is the codebook that is another one, and nothing else.
    before, after = (dict(variables["params"]) for variables in (drawn, begun))
    before.pop("codebooks", None), after.pop("codebooks", None)
    jax.tree.map(np.testing.assert_array_equal, before, after)


def test_codes_that_do_not_move_begin_with_what_is_quantized_spread_over_them(data):
    conv = dataclasses.replace(CONV["encoder"], widths=(8,))
    for family in (FsqConfig(**SMALL, levels=(4, 3, 2, 5)), SimVqConfig(encoder=conv, latent_size=4)):
        model, begun, _ = begin(family, data)
        image = data.image["train"].astype(jnp.float32) / 255
        preactivate = jax.jit(lambda variables, image, model=model: model.apply(variables, image, method="preactivate"))
        vectors = np.asarray(preactivate(begun, image)).reshape(-1, 4)
        np.testing.assert_allclose(vectors.mean(axis=0), np.zeros(4), atol=1e-4)
        np.testing.assert_allclose(np.cov(vectors.T), np.eye(4), atol=0.01)


def test_training_images_may_be_decoded_from_their_first_codebooks_alone():
    family = ResidualVqConfig(**SMALL, codebook_size=4, depth=3)
    _, variables = initialize(family, IMAGE)

    @jax.jit
    def use(dropout):
        model = make_autoencoder(dataclasses.replace(family, dropout=dropout), (8, 8, 1))
        apply = functools.partial(model.apply, variables, rngs={"noise": jax.random.key(2)})
        batch = Batch(IMAGE, None)
        in_training, after = apply(batch, train=True, method="terms", mutable=["codebook"])
        outside = apply(batch, train=False, method="terms")
        return in_training, after, outside, [apply(num, method="levels") for num in (len(IMAGE), 2000)]

    without = use(None)
    assert without[3] == [None, None]
    for dropout, share in ((0.0, [0, 0, 1]), (0.6, [0.2, 0.2, 0.6]), (1.0, [1 / 3, 1 / 3, 1 / 3])):
        in_training, after, outside, (own, many) = jax.device_get(use(np.float32(dropout)))
        np.testing.assert_allclose(np.bincount(many, minlength=4)[1:] / 2000, share, atol=0.04)
        assert many.min() >= 1
        # It is what is decoded that differs, of the images of which not all codebooks are taken, in training.
        same = in_training["reconstruction"] == without[0]["reconstruction"]
        np.testing.assert_array_equal(same, own == 3)
        np.testing.assert_array_equal(in_training["commitment"], without[0]["commitment"])
        jax.tree.map(np.testing.assert_array_equal, (after, outside), without[1:3])
    assert not same.all()


def test_what_is_rounded_pays_for_lying_beyond_the_border_alone():
    family = FsqConfig(**SMALL | {"latent_size": 2}, levels=(3, 4), range_weight=0.5)
    model, variables = initialize(family, IMAGE)
    params = variables["params"]
    wide = {"params": params | {"latent": changed(params["latent"], lambda leaf: 20 * leaf)}}

    @jax.jit
    def use(variables):
        apply = functools.partial(model.apply, variables)
        latent = apply(IMAGE, method="encode")
        return (
            apply(IMAGE, method="preactivate"),
            apply(Batch(IMAGE, None), train=False, method="terms"),
            apply(latent, Batch(IMAGE, None), train=False, method="reconstruction"),
        )

    for own in (variables, wide):
        z, terms, reconstruction = jax.device_get(use(own))
        close(terms["range"], 0.25 * np.sum(np.maximum(np.abs(z) - 1.5, 0) ** 2, axis=(1, 2)))
        close(terms["reconstruction"], reconstruction)
        assert np.any(np.abs(z) > 1.5) == (own is wide)


def test_lookup_free_codes_pay_for_doubt_and_for_all_being_the_same():
    family = LookupFreeConfig(**SMALL, commitment=0.5, entropy=2.0, temperature=3.0)
    trained = Trained(family)
    terms = trained("terms", Batch(IMAGE, None), train=False)
    vectors = np.asarray(trained("preactivate", IMAGE), np.float64)
    signs = np.where(vectors > 0, 1, -1)
    np.testing.assert_array_equal(trained("encode", IMAGE), signs.reshape(6, -1))
    close(terms["commitment"], 0.5 * np.sum((vectors - signs) ** 2, axis=(1, 2)))
    codes = np.array(list(itertools.product([-1, 1], repeat=4)))
    distance = np.sum((vectors.reshape(-1, 1, 4) - codes[None]) ** 2, axis=2)
    probability = scipy.special.softmax(-distance / 3, axis=1)
    each = scipy.stats.entropy(probability, axis=1).reshape(6, 3)
    mean = scipy.stats.entropy(probability.mean(axis=0))
    close(terms["entropy"], 2 * np.sum(each - mean, axis=1), rtol=1e-4)


def test_the_categorical_kl_has_its_closed_form_and_its_limits():
    logits = draw(5, 6)
    probability = scipy.special.softmax(logits.astype(np.float64), axis=1)
    kl = jax.jit(uniform_kl)
    close(kl(logits), np.log(6) - scipy.stats.entropy(probability, axis=1))
    close(kl(np.zeros((1, 6), np.float32)), [0])
    close(kl(np.float32(1e4) * logits), np.full(5, np.log(6)))
    trained = Trained(FAMILIES["gumbel_softmax"])
    terms = trained("terms", Batch(IMAGE, None), train=False)
    close(terms["kl"], np.asarray(kl(trained("preactivate", IMAGE))).sum(axis=1))


def test_relaxed_draws_become_one_hot_or_uniform_as_the_temperature_says():
    trained, logits = Trained(FAMILIES["gumbel_softmax"]), np.broadcast_to(draw(4), (500, 3, 4))

    @jax.jit
    def relaxed(heat):
        return trained.model.apply(trained.variables, logits, heat, method="draw", rngs={"noise": jax.random.key(3)})

    cold, hot = np.asarray(relaxed(1e-4)), np.asarray(relaxed(1e4))
    close(hot, np.full_like(hot, 0.25), rtol=1e-2)
    assert np.mean(cold.max(axis=-1) > 0.999) > 0.99
    # And whatever the temperature, the largest is drawn by the probabilities.
    share = np.bincount(cold.argmax(axis=-1).ravel(), minlength=4) / 1500
    np.testing.assert_allclose(share, scipy.special.softmax(draw(4)), atol=0.04)
    close(np.asarray(relaxed(0.7)).sum(axis=-1), np.ones((500, 3)))


def test_the_temperature_falls_exponentially_and_then_stays():
    trained = Trained(dataclasses.replace(FAMILIES["gumbel_softmax"], temperature=2.0, anneal_epochs=4.0))
    heat = jax.jit(lambda epoch: trained.model.apply(trained.variables, Batch(IMAGE, None, epoch=epoch), method="heat"))
    for epoch, expected in ((0.0, 2.0), (2.0, 1.0), (4.0, 0.5), (9.0, 0.5)):
        close(heat(np.float32(epoch)), expected)
    close(trained("heat", Batch(IMAGE, None)), 0.5)


@pytest.mark.slow
def test_a_member_alone_has_the_bits_that_it_has_in_a_population(data):
    family = VqVaeConfig(**CONV, codebook_size=8)
    together = fit_population(family, "commitment", [0.1, 0.25, 1.0], data)
    alone = fit_population(family, "commitment", [0.25], data)
    assert len(np.unique(together["train_loss"][:, -1])) == 3
    for name, curve in alone.items():
        np.testing.assert_array_equal(curve[0], together[name][1], name)


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_step_may_be_in_bfloat16(kind):
    """Codes are computed in float32 even then."""
    trained = Trained(FAMILIES[kind])

    @jax.jit
    @jax.value_and_grad
    def loss(params):
        variables = trained.variables | {"params": optax.tree.cast(params, jnp.bfloat16)}
        terms, _ = trained.model.apply(
            variables,
            Batch(IMAGE, None),
            train=True,
            method="terms",
            mutable=["codebook"],
            rngs={"noise": jax.random.key(0)},
        )
        assert all(term.dtype == jnp.float32 for term in terms.values())
        return sum(jnp.mean(term) for term in terms.values())

    value, slope = jax.device_get(loss(trained.variables["params"]))
    assert np.isfinite(value)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(slope))


@pytest.mark.parametrize(
    ("family", "message"),
    [
        (VqVaeConfig(latent_activation="relu"), "latent_activation=relu"),
        (VqVaeConfig(update="gradient", decay=0.9), "decay"),
        (VqVaeConfig(code_size=17), "code_size=17 is more than latent_size=16"),
        (VqVaeConfig(orthogonality=0.1), "use update=gradient, or orthogonality=null"),
        (ResidualVqConfig(groups=3), "groups=3 do not divide latent_size=16"),
        (ResidualVqConfig(groups=3, code_size=4), "groups=3 do not divide code_size=4"),
        (ResidualVqConfig(similarity="cosine"), "depth=4; use similarity=euclidean or depth=1"),
        (FsqConfig(latent_size=3), "latent_size=3"),
        (FsqConfig(latent_size=3, levels=(2048, 2048, 2048)), "2\\^31"),
        (LookupFreeConfig(latent_size=30), "latent_size=30"),
    ],
)
def test_fields_that_do_not_go_together_are_refused(family, message):
    with pytest.raises(ConfigError, match=message):
        check(Config(autoencoder=family))


def test_codebooks_are_measured_of_discrete_codes_only():
    evaluation = EvaluationConfig(measures=("codebook",))
    check(Config(autoencoder=VqVaeConfig(), evaluation=evaluation))
    with pytest.raises(ConfigError, match="autoencoder=vae are not discrete"):
        check(Config(autoencoder=VaeConfig(), evaluation=evaluation))


def test_any_family_has_a_code_which_is_its_latent_if_it_is_not_discrete():
    model = make_autoencoder(VaeConfig(**{name: SMALL[name] for name in ("encoder", "latent_size")}), (8, 8, 1))
    _, variables = initialize(model.config, IMAGE)
    apply = lambda method, x: jax.jit(lambda: model.apply(variables, x, method=method))()  # noqa: E731
    code = apply("code", IMAGE)
    np.testing.assert_array_equal(code, apply("encode", IMAGE))
    np.testing.assert_array_equal(apply("decode_code", code), apply("decode", code))
