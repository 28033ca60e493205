"""AutoencoderFeatures: what goes in and comes out, what is refused, parameters, and how it is kept."""

import io
import pickle
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

import aejax
from aejax.errors import ConfigError, DataError, UserError

NET = {"autoencoder.encoder.widths": [8]}


def make(**parameters):
    parameters = {"latent_size": 3, "epochs": 2, "fields": NET, "random_state": 0} | parameters
    return aejax.AutoencoderFeatures(**parameters)


@pytest.fixture(scope="module")
def rows():
    """Five features of different scales, of two factors; the last is constant."""
    generator = np.random.default_rng(0)
    factors = generator.uniform(size=(40, 2))
    mixed = factors @ generator.uniform(size=(2, 4)) * [1, 100, 1e-3, 1] + [0, -50, 0, 7]
    return np.column_stack([mixed, np.full(40, 3.0)])


@pytest.fixture(scope="module")
def fitted(rows):
    return make().fit(rows)


def test_features_come_back_as_rows_on_the_scale_of_training(rows):
    plain = make(config="plain", epochs=300, learning_rate=0.01, batch_size="all").fit(rows)
    features = plain.transform(rows)
    assert (features.shape, features.dtype) == ((40, 3), np.float32)
    back = plain.inverse_transform(features)
    spread = np.ptp(rows, axis=0)[:4]
    assert np.all(np.sqrt(np.mean((back - rows)[:, :4] ** 2, axis=0)) < 0.2 * spread)
    unit = (rows - rows.min(0)) / np.where(np.ptp(rows, axis=0) > 0, np.ptp(rows, axis=0), 1)
    unit_back = (back - rows.min(0)) / np.where(np.ptp(rows, axis=0) > 0, np.ptp(rows, axis=0), 1)
    assert plain.score(rows) == pytest.approx(-np.mean((unit - unit_back) ** 2), rel=1e-3)
    assert plain.curves_["train_loss"].shape == (300,)
    assert plain.curves_["train_loss"][-1] < plain.curves_["train_loss"][0]


def test_values_beyond_training_are_not_cut_off(fitted, rows):
    beyond = rows.copy()
    beyond[0, 0] += 10
    further = rows.copy()
    further[0, 0] += 20
    assert not np.allclose(fitted.transform(beyond)[0], fitted.transform(further)[0])
    assert fitted.score(further[:1]) < fitted.score(beyond[:1]) < fitted.score(rows[:1])


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.uint8, bool])
def test_numbers_of_any_type_are_taken(fitted, rows, dtype):
    few = (rows[:6] > rows.mean(0)).astype(dtype)
    assert np.isfinite(fitted.transform(few)).all()
    assert np.allclose(fitted.transform(few), fitted.transform(few.astype(float)), atol=1e-6)


@pytest.mark.slow
def test_images_are_taken_with_and_without_channels_and_uint8_stays():
    images = np.random.default_rng(0).integers(0, 256, (12, 4, 4, 1), np.uint8)
    conv = make(fields={"autoencoder.encoder.widths": (2, 4)}).fit(images)
    assert conv.model_.config.autoencoder.encoder.kind == "conv"
    assert conv.model_.trained_on.image_type == "uint8"
    assert conv.n_features_in_ == 16
    features = conv.transform(images)
    assert np.array_equal(features, conv.transform(images.reshape(12, 16)))
    assert np.allclose(features, conv.transform(images.astype(float)), atol=1e-6)
    assert conv.inverse_transform(features).shape == images.shape
    with pytest.raises(DataError, match=r"images are \(8, 2, 1\); those that it was fitted to are \(4, 4, 1\)"):
        conv.transform(images.reshape(12, 8, 2, 1))
    flat = make(image_shape=(4, 4), fields={"autoencoder.encoder.widths": (2, 4)}, config="vae")
    config = flat._prepare(images.reshape(12, 16)).config
    assert (config.autoencoder.kind, config.autoencoder.encoder.kind) == ("vae", "conv")


def test_images_of_any_range_are_scaled_as_a_whole():
    images = load_digits().images[:20]
    prepared = make(fields={})._prepare(images)
    assert (prepared.image.min(), prepared.image.max(), prepared.image.shape) == (0, 1, (20, 8, 8, 1))
    assert np.array_equal(make(fields={})._prepare(images / 16).image, prepared.image)


@pytest.mark.parametrize(
    ("shape", "strides"), [((8, 12), (2,)), ((6, 6), (2, 1)), ((7, 8), (1,))], ids=lambda value: str(value)
)
def test_the_default_convolutions_fit_images_of_any_size(shape, strides):
    estimator = aejax.AutoencoderFeatures()
    assert (
        estimator._prepare(np.random.default_rng(0).random((5, *shape))).config.autoencoder.encoder.strides == strides
    )


def test_a_family_with_a_network_of_its_own_keeps_it():
    images = np.random.default_rng(0).random((5, 8, 8))
    assert aejax.AutoencoderFeatures("k_sparse")._prepare(images).config.autoencoder.encoder == aejax.Dense(widths=())
    family = aejax.PlainConfig(encoder=aejax.Dense(widths=(7,)))
    assert aejax.AutoencoderFeatures(family)._prepare(images).config.autoencoder == family


def test_parameters_refine_a_whole_config(rows):
    own = aejax.Config(autoencoder=aejax.VaeConfig(latent_size=5), training=aejax.TrainingConfig(epochs=7), seed=9)
    given = aejax.AutoencoderFeatures(own)._prepare(rows).config
    assert (given.autoencoder, given.training.epochs, given.seed) == (own.autoencoder, 7, 9)
    changed = aejax.AutoencoderFeatures(own, latent_size=2, epochs=1, learning_rate=0.5, random_state=0)
    given = changed._prepare(rows).config
    assert (given.autoencoder.latent_size, given.training.epochs, given.optimizer.learning_rate) == (2, 1, 0.5)
    assert given.seed != 9


@pytest.mark.slow
def test_fields_are_parameters_of_a_grid(rows):
    grid = {"fields__optimizer__learning_rate": np.array([1e-9, 0.1])}
    search = GridSearchCV(make(epochs=20), grid, cv=2).fit(rows)
    assert search.best_params_ == {"fields__optimizer__learning_rate": 0.1}
    best = search.best_estimator_
    assert best.fields == NET | {"optimizer.learning_rate": 0.1}
    assert best.model_.config.optimizer.learning_rate == best.get_params()["fields__optimizer__learning_rate"]
    assert best.get_params()["fields__autoencoder__encoder__widths"] == [8]
    copy = clone(best)
    assert copy.fields == best.fields
    assert clone(make()).set_params(**best.get_params()).get_params() == best.get_params()


def test_a_kind_comes_before_what_refines_it(rows):
    fields = {"autoencoder.encoder.widths": (4,), "optimizer.momentum": 0.5, "optimizer": "momentum"}
    assert make(fields=fields)._prepare(rows).config.optimizer == aejax.Momentum(momentum=0.5)
    part = {"optimizer": aejax.Sgd(learning_rate=0.5)}
    assert make(fields=part)._prepare(rows).config.optimizer == aejax.Sgd(learning_rate=0.5)


@pytest.mark.parametrize(
    ("parameters", "line"),
    [
        ({"config": "vee"}, "vae"),
        ({"config": 3}, "config should be a family, its kind as text, or an aejax.Config; got 3"),
        ({"epochs": -1}, "training.epochs"),
        ({"latent_size": 2.5}, "autoencoder.latent_size"),
        ({"fields": {"optimiser.learning_rate": 1}}, "did you mean 'optimizer.learning_rate'"),
        ({"fields": 3}, "fields should be a dict"),
    ],
)
def test_a_wrong_parameter_is_one_line_when_it_is_fitted(rows, parameters, line):
    with pytest.raises(ConfigError, match=line) as raised:
        make(**parameters).fit(rows)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("shape", "line"), [((2, 2), "has 4 pixels, and rows have 5"), ((5,), "should be"), ("5x1", "should be")]
)
def test_a_wrong_image_shape_is_one_line(rows, shape, line):
    with pytest.raises(DataError, match=line):
        make(image_shape=shape).fit(rows)


def test_what_is_no_rows_is_refused(fitted, rows):
    with pytest.raises(TypeError, match=r"[Ss]parse"):
        fitted.transform(scipy.sparse.csr_array(rows))
    with pytest.raises(ValueError, match="NaN"):
        fitted.transform(np.where(rows > 3, np.nan, rows))
    with pytest.raises(ValueError, match="5 features"):
        fitted.transform(rows[:, :4])
    with pytest.raises(NotFittedError):
        make().transform(rows)
    with pytest.raises(DataError, match="there are 4 features; the decoder takes 3"):
        fitted.inverse_transform(np.zeros((2, 4)))


def test_features_that_are_no_latents_are_not_decoded(rows):
    sparse = make(config="winner_take_all", fields={}).fit(rows)
    features = sparse.transform(rows)
    with pytest.raises(UserError, match="the features of 'winner_take_all' are not the latents"):
        sparse.inverse_transform(features)


def test_frames_give_frames_with_names(rows):
    frame = pd.DataFrame(rows, columns=list("abcde"))
    named = make().set_output(transform="pandas").fit(frame)
    assert named.feature_names_in_.tolist() == list("abcde")
    features = named.transform(frame)
    assert (
        list(features.columns) == list(named.get_feature_names_out()) == [f"autoencoderfeatures{i}" for i in range(3)]
    )
    with pytest.raises(ValueError, match="feature names"):
        named.transform(frame[list("edcba")])


def test_the_seed_decides(rows):
    one, same, other = (make(random_state=seed).fit(rows).transform(rows) for seed in (0, 0, 1))
    assert np.array_equal(one, same)
    assert not np.allclose(one, other)
    assert np.array_equal(make(random_state=np.random.RandomState(0)).fit(rows).transform(rows), one)


def test_what_is_pickled_is_plain_values_and_arrays(fitted, rows, tmp_path):
    estimator = make(config=aejax.DenoisingConfig(latent_size=2)).fit(rows)
    estimator.transform(rows)
    data = pickle.dumps(estimator)
    modules = set()

    class Recorder(pickle.Unpickler):
        def find_class(self, module, name):
            modules.add(module.partition(".")[0])
            return super().find_class(module, name)

    Recorder(io.BytesIO(data)).load()
    assert modules <= {"aejax", "numpy", "builtins", "copyreg"}
    assert np.array_equal(pickle.loads(data).transform(rows), estimator.transform(rows))
    joblib.dump(estimator, tmp_path / "estimator.joblib")
    assert np.array_equal(joblib.load(tmp_path / "estimator.joblib").transform(rows), estimator.transform(rows))


@pytest.mark.parametrize("config", ["plain", aejax.PlainConfig(), aejax.Config()], ids=lambda config: type(config))
def test_a_saved_estimator_is_loaded_without_pickle(rows, tmp_path, config):
    frame = pd.DataFrame(rows, columns=list("abcde"))
    estimator = make(config=config, image_shape=None if isinstance(config, str) else (5, 1)).fit(frame)
    estimator.save(tmp_path / "estimator")
    loaded = aejax.AutoencoderFeatures.load(tmp_path / "estimator")
    assert loaded.get_params() == estimator.get_params()
    assert np.array_equal(loaded.transform(frame), estimator.transform(frame))
    assert loaded.n_features_in_ == 5
    assert loaded.feature_names_in_.tolist() == list("abcde")
    with pytest.raises(UserError, match="is there already"):
        estimator.save(tmp_path / "estimator")
    with pytest.raises(UserError, match=r"holds an AutoencoderFeatures; load it by AutoencoderFeatures\.load"):
        aejax.AutoencoderDetector.load(tmp_path / "estimator")


def test_what_cannot_be_saved_or_loaded_is_one_line(fitted, rows, tmp_path):
    with pytest.raises(UserError, match=r"random_state=.* cannot be saved"):
        make(random_state=np.random.RandomState(0)).fit(rows).save(tmp_path / "estimator")
    assert not list(tmp_path.iterdir())
    with pytest.raises(UserError, match="holds no saved estimator"):
        aejax.AutoencoderFeatures.load(tmp_path)
    fitted.save(tmp_path / "estimator")
    (tmp_path / "estimator" / "fitted.npz").write_bytes(b"")
    with pytest.raises(UserError, match="damaged"):
        aejax.AutoencoderFeatures.load(tmp_path / "estimator")


def test_divergence_is_a_warning(rows):
    with pytest.warns(UserWarning, match="diverged"):
        make(fields=NET | {"optimizer": "sgd"}, learning_rate=1e30).fit(rows)


@pytest.mark.slow
def test_a_single_row_and_a_single_feature_are_enough():
    for shape in ((1, 4), (6, 1)):
        values = np.arange(np.prod(shape), dtype=float).reshape(shape)
        assert make().fit_transform(values).shape == (shape[0], 3)


def test_it_stands_in_a_pipeline(rows):
    labels = rows[:, 0] > np.median(rows[:, 0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=UserWarning)
        pipeline = make_pipeline(make(epochs=20), LogisticRegression()).fit(rows, labels)
    assert pipeline.score(rows, labels) > 0.8
