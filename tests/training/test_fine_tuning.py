"""Fine-tuning: what of an encoder is trained, how fast, by which labels, and what it begins with."""

import dataclasses

import jax
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from aejax.autoencoders.plain import PlainConfig
from aejax.config import override
from aejax.data.augmentation import Augmentation
from aejax.data.load import Dataset
from aejax.data.resident import make_resident
from aejax.data.subsets import draw_per_class
from aejax.errors import ConfigError, DataError
from aejax.experiment import Config, check, check_data
from aejax.measures.config import FEW_LABELS_STRENGTHS
from aejax.methods.base import find_method
from aejax.networks.dense import Dense
from aejax.networks.residual import Residual
from aejax.sweep import group
from aejax.training.fine_tuning import FineTuningConfig
from aejax.training.fit import fit
from aejax.training.optimizers import AdamW, Sgd
from aejax.training.step import TrainingConfig, evaluate_terms, init_state
from tests.methods import make_task

DEEP = PlainConfig(encoder=Dense(widths=(12, 9)), latent_size=5)
LAYERS = ["encoder/DenseStack_0/Dense_0", "encoder/DenseStack_0/Dense_1", "latent"]
CONFIG = Config(
    autoencoder=DEEP, optimizer=Sgd(), training=TrainingConfig(batch_size=40), fine_tuning=FineTuningConfig(epochs=2)
)


@pytest.fixture(scope="module")
def local(dataset):
    """The data on one device, for functions that are not mapped over members."""
    return jax.device_put(make_resident(dataset, "none"))


def tuned(local, config=CONFIG, method="fine_tuned", num_epochs=1, **fields):
    """Returns (task, state before, state after) some epochs with fields of the fine-tuning set."""
    config = dataclasses.replace(config, fine_tuning=dataclasses.replace(config.fine_tuning, **fields))
    task = make_task(method, (8, 8, 1), 4)(config)
    before = fit(task, local, num_epochs=0).state
    return task, before, fit(task, local, state=before, num_epochs=num_epochs).state


def moved(before, after):
    """Returns how far the kernel of each layer moved, by the layer's name."""
    change = jax.tree.map(lambda x, y: float(np.linalg.norm(y - x)), *jax.device_get((before.params, after.params)))
    paths = jax.tree_util.tree_leaves_with_path(change)
    names = {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in paths}
    return {
        name.removeprefix("autoencoder/").removesuffix("/kernel"): leaf
        for name, leaf in names.items()
        if name.endswith("/kernel")
    }


@pytest.mark.parametrize(
    "layers",
    [
        None,
        [],
        [LAYERS[0], "latent"],
        *(pytest.param(names, marks=pytest.mark.slow) for names in (LAYERS[2:], LAYERS[1:], ["encoder"])),
    ],
)
def test_those_layers_are_trained_that_are_named_and_the_head(local, layers):
    # Weight decay must not reach the others either.
    config = dataclasses.replace(CONFIG, optimizer=AdamW(learning_rate=0.01, weight_decay=0.1))
    _, before, after = tuned(local, config, layers=None if layers is None else tuple(layers))
    expected = LAYERS if layers is None else LAYERS[:2] if layers == ["encoder"] else layers
    assert {name for name, change in moved(before, after).items() if change} == {*expected, "head"}


def test_a_part_of_a_block_can_be_trained_alone(local):
    config = dataclasses.replace(
        CONFIG, autoencoder=PlainConfig(encoder=Residual(widths=(4,), strides=(4,), groups=2), latent_size=5)
    )
    _, before, after = tuned(local, config, layers=("encoder/Block_0/Conv_1",))
    assert {name for name, change in moved(before, after).items() if change} == {"encoder/Block_0/Conv_1", "head"}


def test_learning_rates_decay_from_the_head_to_the_image(local):
    config = dataclasses.replace(CONFIG, training=TrainingConfig(batch_size="all"))
    moves = {decay: moved(*tuned(local, config, layer_decay=decay)[1:]) for decay in (1.0, 0.5)}
    # One step of gradient descent: the same gradients, at rates of their own.
    ratios = {name: moves[0.5][name] / moves[1.0][name] for name in moves[1.0]}
    expected = dict(zip(["head", *reversed(LAYERS)], (1.0, 1.0, 0.5, 0.25), strict=True))
    assert ratios == pytest.approx(expected, rel=1e-4)


def test_its_own_learning_rate_is_that_of_the_fine_tuned_alone(local):
    slow, usual = (moved(*tuned(local, learning_rate=rate)[1:])["head"] for rate in (1e-4, None))
    assert slow < usual / 100
    scratch = [moved(*tuned(local, method="supervised", learning_rate=rate)[1:])["head"] for rate in (1e-4, None)]
    assert scratch[0] == scratch[1]
    assert moved(*tuned(local, method="supervised", scratch_learning_rate=1e-4)[1:])["head"] < scratch[1] / 100


def test_it_begins_with_the_variables_that_are_given_and_a_head_of_its_own(local):
    config = dataclasses.replace(CONFIG, seed=3)
    other = make_task("autoencoder", (8, 8, 1), 4)(dataclasses.replace(config, seed=4))
    task = make_task("fine_tuned", (8, 8, 1), 4)(config)

    @jax.jit
    def begin(data):
        learnt = init_state(other, data)
        initial = ({"params": {"autoencoder": learnt.params}}, {})
        return learnt, *(init_state(task, data, given) for given in initial)

    learnt, begun, drawn = begin(local)
    own = begun.params["autoencoder"]
    jax.tree.map(np.testing.assert_array_equal, own, {name: learnt.params[name] for name in own})
    jax.tree.map(np.testing.assert_array_equal, begun.params["head"], drawn.params["head"])
    assert not np.array_equal(own["latent"]["kernel"], drawn.params["autoencoder"]["latent"]["kernel"])


@pytest.mark.parametrize("method", ["fine_tuned", "supervised"])
def test_few_labels_are_all_that_it_sees(local, method):
    config = dataclasses.replace(CONFIG, seed=2, training=TrainingConfig(batch_size=64, epochs=2))
    task, before, after = tuned(local, config, method, labels_per_class=5, scratch_epochs=3)
    indices = np.asarray(draw_per_class(local.label["train"], 4, 10, 2))
    seen = task.select(local)
    np.testing.assert_array_equal(seen.image["train"], np.asarray(local.image["train"])[indices[:, :5].ravel()])
    np.testing.assert_array_equal(seen.image["validation"], np.asarray(local.image["train"])[indices[:, 5:].ravel()])
    np.testing.assert_array_equal(seen.label["test"], local.label["test"])
    assert after.step == 1  # All 20 are one batch.
    assert after.lowest_errors.shape == (20,)
    assert task.epochs == (2 if method == "fine_tuned" else 3)
    # Training on these images alone is the same.
    alone = make_task(method, (8, 8, 1), 4)(dataclasses.replace(config, fine_tuning=FineTuningConfig(epochs=2)))
    same = fit(alone, seen, state=before, num_epochs=1).state
    jax.tree.map(np.testing.assert_array_equal, after.params, same.params)


@pytest.mark.parametrize(
    "method", ["fine_tuned", *(pytest.param(name, marks=pytest.mark.slow) for name in ("autoencoder", "supervised"))]
)
def test_labelled_images_are_augmented_in_a_way_of_their_own(local, method):
    config = dataclasses.replace(CONFIG, training=TrainingConfig(epochs=1, augmentation=Augmentation(shift=1)))
    same = [tuned(local, config, method, augmentation=given)[2].params for given in (None, Augmentation(shift=1))]
    jax.tree.map(np.testing.assert_array_equal, *same)
    # A layer that is shown black images only keeps its weights.
    _, before, after = tuned(local, config, method, augmentation=Augmentation(cutout=100))
    assert (moved(before, after)[LAYERS[0]] == 0) == (method != "autoencoder")


def test_mixup_mixes_images_and_labels_in_training_alone(local):
    config = dataclasses.replace(CONFIG, fine_tuning=dataclasses.replace(CONFIG.fine_tuning, mixup=0.7))
    task = make_task("fine_tuned", (8, 8, 1), 4)(config)
    batch = local.batch("train", np.arange(6))
    image, label = np.asarray(batch.image), np.asarray(batch.label)

    @jax.jit
    def terms(keys):
        variables = task.model.init(keys[0], batch, train=False, method="terms")
        say = lambda key, train: task.model.apply(  # noqa: E731
            variables, batch, train=train, method="terms", rngs={"noise": key}
        )["cross_entropy"]
        shares = np.linspace(0, 1, 401, dtype=np.float32)[:, None, None, None, None]
        mixed = shares * image + (1 - shares) * np.roll(image, 1, axis=0)
        logits = task.model.apply(variables, mixed.reshape(-1, 8, 8, 1), method="classify")
        losses = jax.lax.map(lambda key: say(key, True), keys)
        return jax.nn.log_softmax(logits).reshape(401, 6, 4), losses, say(keys[0], False)

    said, losses, outside = jax.device_get(terms(jax.random.split(jax.random.key(0), 300)))
    each = -np.take_along_axis(said, np.stack([label, np.roll(label, 1)], axis=1)[None], axis=2)
    share = np.linspace(0, 1, 401)[:, None]
    expected = share * each[..., 0] + (1 - share) * each[..., 1]  # By the share that was drawn.
    np.testing.assert_allclose(outside, expected[-1], rtol=1e-5)
    distance = np.abs(losses[:, None] - expected[None]).max(axis=2)
    assert distance.min(axis=1).max() < 0.01
    drawn = np.linspace(0, 1, 401)[distance.argmin(axis=1)]
    assert abs(drawn.mean() - 0.5) < 0.07
    assert abs(drawn.var() - 0.25 / (2 * 0.7 + 1)) < 0.02  # Of Beta(α, α).


def test_strengths_of_mixup_are_one_population_and_reach_both_classifiers():
    members = [override(CONFIG, {"fine_tuning.mixup": value}) for value in (0.1, 1.0)]
    assert [len(population.members) for population in group(members)] == [2]
    for method in ("fine_tuned", "supervised"):
        reduced = [find_method(method).reduce(member) for member in members]
        assert [make_task(method, (8, 8, 1), 4)(config).model.mixup for config in reduced] == [0.1, 1.0]
    with pytest.raises(ConfigError, match=r"fine_tuning\.mixup: nothing is trained by labels"):
        check(override(Config(), {"fine_tuning.mixup": 0.2, "evaluation.baselines": ["pca"]}))


def test_a_frozen_encoder_behaves_as_it_is_evaluated(local):
    encoder = Residual(widths=(4,), strides=(4,), norm="batch")
    config = dataclasses.replace(CONFIG, autoencoder=PlainConfig(encoder=encoder, latent_size=5))
    _, before, after = tuned(local, config, layers=())
    jax.tree.map(np.testing.assert_array_equal, before.collections, after.collections)
    assert jax.tree.leaves(before.collections)
    task, before, after = tuned(local, config, num_epochs=2)
    assert any(
        np.any(x != y) for x, y in zip(*map(jax.tree.leaves, (before.collections, after.collections)), strict=True)
    )
    losses = [
        float(np.mean(evaluate_terms(task, task.stages[0], state.current_variables(), local, "train")["loss"]))
        for state in (before, after)
    ]
    assert losses[1] < losses[0]


def test_what_cannot_be_is_said_in_a_line(dataset: Dataset):
    with pytest.raises(ConfigError, match=r"fine_tuning\.epochs is 0"):
        check(override(Config(), {"fine_tuning.layers": []}))
    check(override(Config(), {"fine_tuning.augmentation": {"shift": 1}}))  # The network from scratch reads it.
    few = override(Config(), {"fine_tuning.labels_per_class": 3})
    check(few)
    with pytest.raises(ConfigError, match="nothing is trained by labels"):
        check(override(few, {"evaluation.baselines": ["pca"]}))
    changes = {"fine_tuning.head": "probe", "data.validation_size": 0, "evaluation.measures": ["reconstruction"]}
    with pytest.raises(ConfigError, match=r"fine_tuning\.head=probe chooses"):
        check(override(CONFIG, changes))
    with pytest.raises(ConfigError, match=r"evaluation\.layers is read by 'probe'"):
        check(override(CONFIG, {"evaluation.layers": ["latent"], "evaluation.measures": ["reconstruction"]}))
    for path in ("fine_tuning.layers", "evaluation.layers"):
        config = override(CONFIG, {path: ["latent", "encoder/Dense_7"]})
        with pytest.raises(
            DataError, match=r"no layer 'encoder/Dense_7'; there are encoder/DenseStack_0/Dense_0, .*latent"
        ):
            check_data(config, dataset)
    with pytest.raises(DataError, match=r"fine_tuning.labels_per_class=1000 takes 1000 .* ask for at most \d\d"):
        check_data(override(CONFIG, {"fine_tuning.labels_per_class": 1000}), dataset)


def test_a_head_that_begins_with_the_probe_is_the_probe(local):
    config = dataclasses.replace(CONFIG, seed=1)
    autoencoder = make_task("autoencoder", (8, 8, 1), 4)(config)
    fine_tuning = dataclasses.replace(CONFIG.fine_tuning, head="probe", labels_per_class=8)
    task = make_task("fine_tuned", (8, 8, 1), 4)(dataclasses.replace(config, fine_tuning=fine_tuning))

    @jax.jit
    def begin(data):
        return init_state(task, data, {"params": {"autoencoder": init_state(autoencoder, data).params}})

    state = begin(local)
    seen, variables = task.select(local), state.current_variables()

    def apply(split, method):
        image = seen.batch(split, np.arange(seen.size(split))).image
        return jax.jit(lambda image: task.model.apply(variables, image, method=method))(image)

    x = {split: np.asarray(apply(split, "encode")) for split in ("train", "validation", "test")}
    both = np.concatenate([x["train"], x["validation"]])
    mean, deviation = both.mean(axis=0), both.std(axis=0)
    x = {split: (value - mean) / np.where(deviation > 0, deviation, 1) for split, value in x.items()}
    models = [
        LogisticRegression(C=1 / (32 * strength), tol=1e-6, max_iter=2000).fit(x["train"], seen.label["train"])
        for strength in FEW_LABELS_STRENGTHS
    ]
    best = int(np.argmax([model.score(x["validation"], seen.label["validation"]) for model in models]))
    np.testing.assert_allclose(
        jax.nn.log_softmax(apply("test", "classify")), models[best].predict_log_proba(x["test"]), atol=0.02
    )
