"""Data beside the own ones: what an object takes over from these, and that every number says what it was made of."""

import re

import pytest

from aejax import sweep
from aejax.cli import request
from aejax.config import config_id, override, to_tree
from aejax.data.load import DataConfig
from aejax.errors import ConfigError
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config, check, load_recorded
from aejax.report.tables import to_markdown
from aejax.report.write import write_report
from aejax.store.directory import StudyDirectory
from aejax.store.evidence import read_rows
from aejax.study.plan import data_configs
from tests.data.image_sets import IMAGE, write
from tests.study.studies import train

OWN = {"data.name": "mine.npz", "data.directory": "here", "data.maximum": 16.0, "data.binarization": "fixed"}


@pytest.mark.parametrize("path", ["evaluation.outliers", "evaluation.transfer"])
def test_an_object_begins_with_the_own_data_whatever_is_set_first(path):
    object_ = {path: {"classes": [3, 4], "train_size": 5}}
    for changes in (OWN | object_, object_ | OWN):
        config = override(Config(), changes | {"data.classes": [1, 2], "data.train_size": 50})
        (_, other) = data_configs(config).values()
        assert other == DataConfig(
            name="mine.npz", directory="here", maximum=16.0, binarization="fixed", classes=(3, 4), train_size=5
        )
        check(config)
        assert load_recorded(to_tree(config)) == config


def test_the_own_data_may_be_swept():
    config = override(Config(), {"evaluation.outliers": {"classes": [3]}, "data.classes": [1, 2]})
    members = sweep.expand(config, sweep.grid("data.name", ["a.npz", "b.npz"]))
    assert [data_configs(member)["evaluation.outliers"].name for member in members] == ["a.npz", "b.npz"]


def test_other_data_that_are_named_have_their_own_white_and_lie_where_the_own_do():
    config = override(Config(), OWN | {"evaluation.transfer": {"name": "mnist", "binarization": "fixed"}})
    (_, other) = data_configs(config).values()
    assert other == DataConfig(name="mnist", directory="here", binarization="fixed")


def test_what_python_and_earlier_studies_say_is_as_it_was():
    outliers = Config(evaluation=EvaluationConfig(outliers=DataConfig(classes=(3,))))
    transfer = EvaluationConfig(transfer=DataConfig(name="mnist", binarization="fixed"))
    ids = [config_id(config) for config in (outliers, Config(data=DataConfig(classes=(0, 1)), evaluation=transfer))]
    assert ids == ["5a287d3c5d98", "33f5bf909cf5"]
    assert data_configs(outliers)["evaluation.outliers"] == DataConfig(classes=(3,))


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (['--set=evaluation.outliers={"classes":[3]}'], "outliers.classes names 3, which is a class of data, too"),
        (
            ['--set=evaluation.outliers={"classes":[3,4]}', "--set=data.classes=[4,5]"],
            "outliers.classes names 4, which is a class of data, too; name in data.classes those that are no outliers",
        ),
        (["--set=evaluation.outliers={}"], "evaluation.outliers are all images of data"),
        (["--set=data.name=own"], "data.name=own is of evaluation.transfer and evaluation.outliers"),
        (["--set=data.maximum=0"], "data.maximum: should be greater than 0"),
        (["--set=data.classes=[1.5,2]"], "data.classes.0: A class should be named by its label"),
        (["--set=data.classes=[true,2]"], "data.classes.0: A class should be named by its label"),
        (['--set=data.classes=["3",3]'], "Classes should be named once, not twice as 3"),
    ],
)
def test_images_are_no_outliers_of_themselves(flags, words):
    with pytest.raises(ConfigError, match=re.escape(words)):
        request.parse(["--set=data.name=nowhere", *flags], "")


def test_a_study_names_the_data_of_every_number(tmp_path):
    path, said = write("gaps", tmp_path), []
    flags = [
        f"--set=data.name={path}",
        "--set=data.classes=[1,7]",
        '--set=evaluation.outliers={"classes":[1000000]}',
        '--set=evaluation.measures=["clustering"]',
        '--set=evaluation.baselines=["pixels"]',
        "--set=training.epochs=1",
        "--set=training.batch_size=16",
        "--set=autoencoder.encoder.widths=[]",
        "--seeds=1",
    ]
    train(request.parse(flags, "").configs, tmp_path / "study", say=said.append)
    assert any(line.startswith(f"data: {path}: images of 8 x 8 x 1 (") for line in said)
    assert any("white is 255; 2 classes: 1, 7" in line for line in said)
    assert any(line.startswith("evaluation.outliers: ") and line.endswith("only, '1000000'") for line in said)
    assert not any("left out" in line for line in said)  # The own data have labels.
    rows = read_rows(StudyDirectory(tmp_path / "study"))
    metrics = next(row["metrics"] for row in rows if row["method"] == "pixels")
    assert metrics["test_kmeans_accuracy"] == metrics["test_gmm_accuracy"] == 1
    assert metrics["test_anomaly_distance_auroc"] > 0.9  # By images of another class, and not of another data set.
    outliers = rows[0]["data"]["others"]["outliers"]
    assert (outliers["name"], outliers["test"]) == (str(path), 3)
    assert f"evaluation.outliers: {path}, 16 training, 1 validation and 3 test images" in to_markdown(rows)
    write_report([StudyDirectory(tmp_path / "study")], tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert (
        f"{path}, classes [1000000], uint8 from 0 to {IMAGE.max()}, white is 255, fingerprint {outliers['fingerprint']}"
        in page
    )
