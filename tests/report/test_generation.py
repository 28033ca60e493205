"""The section of the report about generated images."""

import numpy as np
import pytest

from aejax.report.content import Content
from aejax.report.findings import findings
from aejax.report.sections.generation import generation
from aejax.report.tables import to_markdown
from aejax.store.contents import SavedPopulation, SavedStudy
from aejax.store.record import Record
from aejax.store.results import settings
from aejax.store.status import PopulationStatus
from tests.report.rows import cells, make_content, make_row

# Of two autoencoders: the Fréchet distance of each sampler's images for seeds 0, 1, 2.
DISTANCES = {
    ("plain", "gaussian"): [4.0, 4.2, 4.4],
    ("plain", "mixture"): [1.0, 1.1, 1.2],
    ("vae", "mixture"): [3.0, 3.1, 3.2],
    ("vae", "prior"): [2.0, 2.1, 2.2],
}


def drawn(kind, sampler, seed, distance, collapsed=0.0):
    config = {"autoencoder.kind": kind, "generation.sampler.kind": sampler}
    metrics = {f"{split}_frechet_distance": distance for split in ("validation", "test")}
    more = {"test_modes_collapsed": collapsed, "test_recall": 0.5, "test_memorized": 0.0, "feature_accuracy": 0.98}
    return make_row("generator", seed, config, **metrics, **more)


@pytest.fixture
def rows():
    rows = [drawn(*pair, seed, d) for pair, values in DISTANCES.items() for seed, d in enumerate(values)]
    rows[-1]["metrics"]["test_modes_collapsed"] = 1.0
    for method, distance in (("real_images", 0.1), ("pixel_gaussian", 8.0)):
        metrics = {f"{split}_frechet_distance": distance for split in ("validation", "test")}
        row = make_row(method, **metrics, test_modes_collapsed=0.0)
        rows.append(row | {"config": {"data.name": "toy"}})  # No seed enters, and no autoencoder.
    return rows


def test_generators_are_ranked_between_floor_and_reference(rows):
    section = generation(make_content(rows))
    table = cells(section)
    names = [row[0] for row in table[1:7]]
    assert names == [
        "plain · mixture",
        "vae · prior",
        "vae · mixture",
        "plain · gaussian",
        "real_images",
        "pixel_gaussian",
    ]
    first = dict(zip(table[0], table[1], strict=True))
    assert first["Fréchet distance"].startswith("1.10 ± 0.25")
    assert first["beside the first"] == ""
    second = dict(zip(table[0], table[2], strict=True))
    assert second["collapsed"] == "1 of 3"
    assert second["beside the first"].startswith("worse (+1.0")
    assert "right on 98.0 %" in section.body


def test_samplers_stand_beside_a_gaussian_of_the_same_codes(rows):
    table = cells(generation(make_content(rows)))
    beside = table[[row[1].startswith("times the Gaussian") for row in table].index(True) + 1 :]
    # The VAE has no Gaussian; the mixture's ratios are .25, .262 and .273.
    assert len(beside) == 1
    assert beside[0][0] == "plain · mixture"
    assert beside[0][1].startswith("0.26")
    assert beside[0][3] == "better"


def test_the_answer_names_the_best_generator(rows):
    text = to_markdown(rows)
    assert "Fréchet distance: generator · plain · mixture, chosen by validation among 4 settings" in text
    assert "Worse than real_images" in text
    assert "Better than pixel_gaussian" in text


def test_what_is_drawn_is_shown_above_its_nearest_training_images(rows):
    image = np.zeros((1, 20, 8, 8, 1), np.uint8)
    pictures = {"id": np.array([rows[3]["id"]]), "image": image[0], "sample": image, "nearest": image[:, :16]}
    status = PopulationStatus("generator", tuple(row["id"] for row in rows[3:6]), "finished")
    record = Record(name="x", question="", configs=(), data={})
    study = SavedStudy(record, rows, [SavedPopulation(status, {}, pictures)])
    groups = settings(rows)
    section = generation(Content({"x": study}, rows, groups, findings(groups)))
    assert section.body.count("<img") == 2
    assert "drawn at random, none chosen" in section.body
    assert "below each the training image nearest to it" in section.body


def test_without_generators_there_is_no_section():
    assert generation(make_content([make_row(test_mse=0.1)])) is None
