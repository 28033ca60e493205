"""What would be refused after training is refused before it, by a run and a dry run alike; what fails later is told."""

import dataclasses
import resource

import numpy as np
import pytest

from aejax.autoencoders.fsq import FsqConfig
from aejax.autoencoders.zoo import FAMILIES
from aejax.cli import commands
from aejax.config import override
from aejax.data.demand import Demand
from aejax.errors import ConfigError, DataError, UserError
from aejax.evaluation import demand as evaluation_demand
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config, check, warnings
from aejax.measures.neighbors import NEIGHBORS
from aejax.measures.probe import PROBE
from aejax.measures.reconstruction import RECONSTRUCTION
from aejax.search.methods import Sobol
from aejax.search.run import Search, describe_search, find
from aejax.search.space import Range
from aejax.store.directory import StudyDirectory
from aejax.store.evidence import read_rows
from aejax.store.status import read_statuses
from aejax.study import demand
from aejax.study.dry_run import describe
from aejax.study.executors.local import Local
from aejax.study.executors.remote import Remote
from aejax.study.job import Options
from aejax.study.plan import Roster, load_data
from aejax.study.run import PopulationsFailed, Unfinished, evaluate_again, run

MIXTURE = {"generation.sampler": "mixture"}
SMALL = {
    "autoencoder.encoder.widths": [8],
    "autoencoder.latent_size": 4,
    "training.epochs": 1,
    "training.batch_size": 10,
    "evaluation.baselines": [],
    "evaluation.measures": ["reconstruction"],
}


IMAGE = np.random.default_rng(0).integers(0, 256, (120, 8, 8), np.uint8)
LABEL = np.arange(120) % 3
FACTOR = np.random.default_rng(1).integers(0, 3, (120, 2))


def save(path, **arrays):
    np.savez(path, **arrays)
    return {"data.name": str(path)}


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """A config that asks for little, of 90 training images, 10 for validation and 20 for test."""
    path = tmp_path_factory.mktemp("data") / "images.npz"
    return override(Config(), SMALL | save(path, image=IMAGE, label=LABEL))


@pytest.fixture(scope="module")
def study(config, tmp_path_factory):
    """A finished study that asked for baselines, in less memory than the pixels need; and what it said."""
    asked = {"evaluation.baselines": ["pixels", "pca"], "evaluation.measures": ["ridge"]}
    config = override(config, asked)
    datasets = load_data([config])
    (jobs,) = Roster([config], datasets).plan()
    needed = {job.method.name: demand.needs_of(job, datasets).num_bytes for job in jobs}
    assert needed["pixels"] > 1.1 * max(needed["autoencoder"], needed["pca"])
    path, said = tmp_path_factory.mktemp("study"), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demand, "memory_bytes", lambda: int(0.95 * needed["pixels"] / demand.MEMORY_SHARE))
        run([config], StudyDirectory(path), options=Options(say=said.append))
        # The baseline that was left out is not missed by an evaluation on the same machine.
        assert evaluate_again(StudyDirectory(path), update=False, options=Options(say=lambda _: None))[1] == []
        said.append(describe([config], StudyDirectory(path / "nowhere")))
    return config, path, said


def states(path):
    return {status.method: status for status in read_statuses(StudyDirectory(path)).values()}


def fails(image):
    raise ValueError("no such model")


def assert_refused(configs, path, message, error=UserError, features=None):
    """Checks that a run and a dry run refuse with the same line, and that nothing is written."""
    before = sorted(path.rglob("*"))
    lines = []
    for attempt in (
        lambda: run(configs, StudyDirectory(path), options=Options(say=lambda _: None, features=features)),
        lambda: describe(configs, StudyDirectory(path), features=features),
    ):
        with pytest.raises(error, match=message) as caught:
            attempt()
        lines.append(str(caught.value))
    assert lines[0] == lines[1]
    assert "\n" not in lines[0]
    assert sorted(path.rglob("*")) == before


@pytest.mark.parametrize(
    ("arrays", "changes", "message"),
    [
        ({"image": IMAGE}, MIXTURE, "has no labels, and generation.features=classifier is a network that labels train"),
        (None, MIXTURE | {"data.validation_size": 4}, "num_neighbors=5 needs more images than that, and 4 of the vali"),
        (None, MIXTURE | {"generation.num_samples": 5}, "num_neighbors=5 needs more images than that, and 5 of the va"),
        (None, MIXTURE | {"generation.sampler.num_components": 91}, "num_components=91 is more than the 90 codes of "),
        (
            {"image": IMAGE, "factor": FACTOR, "test_image": IMAGE, "test_factor": FACTOR * [1, 0]},
            {"evaluation.measures": ["disentanglement"]},
            "fewer than two factors of .* vary in every split",
        ),
    ],
)
def test_what_the_data_do_not_allow_is_refused_before_training(config, tmp_path, arrays, changes, message):
    data = {} if arrays is None else save(tmp_path / "images.npz", **arrays)
    assert_refused([override(config, data | changes)], tmp_path / "study", message, DataError)


def test_more_codes_than_can_be_counted_are_refused_before_anything_is_read():
    family = FsqConfig(levels=(8,) * 10, latent_size=10)
    with pytest.raises(ConfigError, match="counts each of 1073741824 codes"):
        check(Config(autoencoder=family, evaluation=EvaluationConfig(measures=("codebook",))))
    check(Config(autoencoder=family))


def test_a_function_that_fails_is_tried_before_training_and_stays_in_this_process(config, tmp_path):
    own = [override(config, {"generation.sampler": "prior", "generation.features": "mine.py:f"})]
    assert_refused(own, tmp_path / "study", r"the function failed \(ValueError: no such model\)", features=fails)
    with pytest.raises(ConfigError, match="is code of yours, which runs in this process alone"):
        Remote.check(None, own)


def test_whitening_that_no_memory_holds_is_refused(config, tmp_path, monkeypatch):
    whitened = override(config, {"autoencoder.likelihood.output": "identity", "data.preprocessing": "zca"})
    describe([whitened], StudyDirectory(tmp_path))
    monkeypatch.setattr("aejax.data.load.memory_bytes", lambda: 200_000)
    message = "data.preprocessing=zca of 90 images of 64 pixels takes about 0.000256 GB, and this machine has 0.0002 GB"
    assert_refused([whitened], tmp_path / "study", message, DataError)


def test_a_baseline_that_no_memory_holds_is_left_out(study):
    config, path, (*said, described) = study
    assert {row["method"] for row in read_rows(StudyDirectory(path))} == {"autoencoder", "pca"}
    (line,) = (line for line in said if "is left out" in line)
    assert line.startswith("pixels (1 member) is left out: it takes about ")
    assert line in described.splitlines()
    assert "2 populations" in described
    # With memory enough it is what is missing.
    assert "0 autoencoders, 1 populations" in describe([config], StudyDirectory(path))
    (problem,) = evaluate_again(StudyDirectory(path), update=False, options=Options(say=lambda _: None))[1]
    assert problem.endswith("1 members of pixels were not evaluated")


def test_what_a_study_is_about_is_not_left_out(config, tmp_path, monkeypatch):
    monkeypatch.setattr(demand, "memory_bytes", lambda: 10_000)
    message = r"autoencoder \(1 member\) cannot be executed on this machine: it takes about"
    assert_refused([config], tmp_path / "study", message, DataError)


def test_another_study_and_other_images_in_the_directory_are_refused_by_a_dry_run_too(study):
    config, path, _ = study
    more = [config, dataclasses.replace(config, seed=1)]
    assert "1 autoencoders, 2 populations" in describe(more, StudyDirectory(path))
    other = [override(config, {"training.epochs": 2})]
    assert_refused(other, path, r"holds another study \(training.epochs is 1 there and 2 here", ConfigError)
    save(config.data.name, image=255 - IMAGE, label=LABEL)
    assert_refused([config], path, "has changed since .* was begun")
    save(config.data.name, image=IMAGE, label=LABEL)


# What goes together, and is hardly meant.

PHASES = [
    f"autoencoder={kind}, autoencoder.{field}"
    for kind in FAMILIES
    for field in ("warmup_epochs", "anneal_epochs")
    if hasattr(FAMILIES.config(kind), field)
]


@pytest.mark.parametrize(
    ("fields", "epochs"),
    [
        *((phase, "training.epochs") for phase in PHASES),
        ("optimizer.schedule.warmup_epochs", "training.epochs"),
        ("optimizer.schedule=cosine, optimizer.schedule.warmup_epochs", "training.pretraining_epochs"),
        ("optimizer.schedule=stages, optimizer.schedule.warmup_epochs", "fine_tuning.epochs"),
        ("generation.sampler=masked_flow, generation.optimizer.schedule.warmup_epochs", "generation.epochs"),
        ("training.patience", "training.epochs"),
    ],
)
def test_a_phase_that_outlasts_training_is_warned_of(fields, epochs):
    *chosen, field = fields.split(", ")
    own = dict(pair.split("=") for pair in chosen) | {"training.epochs": 100}
    short, long = (override(Config(), own | {epochs: num, field: 7}) for num in (7, 8))
    (line,) = warnings([short, dataclasses.replace(short, seed=1)])
    assert line.startswith(f"{field}=7 and {epochs}=7: ")
    assert line.endswith("before training ends" if field != "training.patience" else "the best epoch is kept")
    assert warnings([long]) == warnings([Config()]) == []


def test_there_are_such_phases():
    assert len(PHASES) > 5


def test_a_dry_run_warns_once(config, tmp_path):
    seeds = [override(config, {"optimizer.schedule.warmup_epochs": 1.0, "seed": seed}) for seed in (0, 1)]
    lines = describe(seeds, StudyDirectory(tmp_path / "study")).splitlines()
    assert [line for line in lines if line.startswith("warning")] == [
        "warning: optimizer.schedule.warmup_epochs=1 and training.epochs=1: the warm-up to the learning rate is not "
        "over before training ends"
    ]


def test_what_takes_hours_is_left_out():
    sizes = {"train": 60_000, "validation": 5_000, "test": 10_000}
    small, large = (evaluation_demand.of_features(sizes, size, [PROBE, NEIGHBORS]) for size in (784, 128 * 128 * 3))
    assert small.flop < 1e13 < demand.MOST_FLOP < large.flop
    assert large.num_bytes > 4 * 5 * 49_152**2
    few = evaluation_demand.of_features({name: size // 100 for name, size in sizes.items()}, 128 * 128 * 3, [PROBE])
    assert few.flop < 1e12
    assert evaluation_demand.of_features(sizes, 784, [RECONSTRUCTION]) == Demand()


def test_wide_features_are_told_before_they_take_memory():
    sizes = {"train": 45_000, "validation": 5_000, "test": 10_000}
    shares = {"ridge": (0.1, 0.01, 0.001)}
    of_6400, of_12800 = (evaluation_demand.in_blocks(sizes, size, shares, 100) for size in (6400, 12_800))
    assert of_6400.num_bytes < 1e9 < 4 * 60_000 * 6400  # Less than the features would take.
    assert 2.6e9 < of_12800.num_bytes < 3.5e9
    assert evaluation_demand.in_blocks(sizes, 6400, {}, 100) == Demand()
    searched = evaluation_demand.in_blocks(sizes, 6400, shares | {"svm": (0.1, 0.01)}, 100)
    assert searched.num_bytes > of_6400.num_bytes + 4 * 50_000 * 6400  # They are held for a search,
    most = evaluation_demand.in_blocks(sizes, 25_000, shares | {"svm": (0.1, 0.01)}, 100)
    assert most.num_bytes < 4 * 50_000 * 25_000 + 4 * 4 * 25_000**2  # but not if they are too many.


def test_mirror_images_to_learn_from_are_counted(config):
    def flop(**fields):
        asked = {"autoencoder.latent_size": 500, "evaluation.measures": ["svm"]} | fields
        own = override(config, asked)
        datasets = load_data([own])
        ((job,),) = Roster([own], datasets).plan()
        return demand.needs_of(job, datasets).flop

    factors = 6 * (500**3 / 3 + 500**3)  # Of five strengths and the last fit, and their inverses: these do not grow.
    once, twice = flop(), flop(**{"evaluation.flip": "both"})
    assert twice - factors == pytest.approx(2 * (once - factors))


def test_features_too_wide_for_the_machine_end_in_one_line(config, tmp_path, monkeypatch):
    wide = override(config, {"autoencoder.latent_size": 1500, "evaluation.measures": ["svm"]})
    monkeypatch.setattr(demand, "memory_bytes", lambda: 30_000_000)
    with pytest.raises(UserError, match=r"it takes about .* GB, and there are .*fewer features or seeds") as error:
        describe([wide], StudyDirectory(tmp_path / "study"))
    assert "\n" not in str(error.value)


# A search.


@pytest.mark.parametrize(
    ("objective", "space", "message"),
    [
        (
            "validation_knn_accuracy",
            {"training.batch_size": (5, 10)},
            "it is not measured of trials on .*reconstruction",
        ),
        ("validation_mse", {"training.batch_size": (5, 91)}, "batch_size=91 is larger than the 90 training images"),
    ],
)
def test_a_search_that_would_stop_in_the_middle_is_refused(config, tmp_path, objective, space, message):
    ranges = {path: Range(low=low, high=high) for path, (low, high) in space.items()}
    search = Search(method=Sobol(trials=4, objective=objective), space=ranges)
    directory, quiet = StudyDirectory(tmp_path / "study"), Options(say=lambda _: None)
    how = {"executor": Local()}
    with pytest.raises(UserError, match=message):
        find(config, search, directory, name="search", question="?", options=quiet, **how)
    with pytest.raises(UserError, match=message):
        describe_search(config, search, directory, seeds=1, features=None, **how)
    assert not directory.path.exists()


# What goes wrong later.


def test_a_population_that_is_refused_does_not_take_the_others_with_it(config, tmp_path):
    """The function is right on the few images that it is tried with."""
    own = override(config, {"generation.sampler": "prior", "generation.features": "mine.py:f"})
    features = lambda image: image.reshape(len(image), -1)[: 2 if len(image) > 2 else None, :5]  # noqa: E731
    said = []
    with pytest.raises(PopulationsFailed, match=r"3 of 4 populations failed .*; all others are finished") as caught:
        run([own], StudyDirectory(tmp_path), options=Options(say=said.append, features=features))
    assert "choose another workdir" in str(caught.value)
    found = states(tmp_path)
    assert found.pop("autoencoder").state == "finished"
    assert {status.state for status in found.values()} == {"failed"}
    assert all("the function returned (2, 5); it should" in status.error for status in found.values())


@pytest.mark.slow
def test_a_disk_that_takes_no_more_leaves_tables_and_a_status_that_is_true(tmp_path, monkeypatch, pytestconfig):
    monkeypatch.chdir(pytestconfig.rootpath)
    arguments = [f"--workdir={tmp_path}", "--set=training.epochs=1", "--set=autoencoder.encoder.widths=[2000]"]
    arguments += ['--set=evaluation.measures=["reconstruction"]', "--set=evaluation.baselines=[]"]
    said = []
    commands.train([*arguments, "--seeds=1"], say=said.append)
    table = (tmp_path / "results.csv").read_text()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, hard))  # A checkpoint is larger.
    try:
        with pytest.raises(Unfinished, match=r"File too large.*run the same command again: what was saved is kept"):
            commands.train([*arguments, "--seeds=2"], say=said.append)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / "results.csv").read_text() == table
    assert said[-1].startswith(f"{tmp_path}: report.html")
    assert sorted(status.state for status in read_statuses(StudyDirectory(tmp_path)).values()) == ["failed", "finished"]
    commands.train([*arguments, "--seeds=2"], say=said.append)
    assert len((tmp_path / "results.csv").read_text().splitlines()) == 3
