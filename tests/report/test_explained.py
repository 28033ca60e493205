"""Sections of what was explained: numbers over seeds, and pictures that say what the arrays say."""

import base64
import dataclasses
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from aejax.report.content import gather
from aejax.report.sections.attribution import LOWERS, RAISES, attribution
from aejax.report.sections.embeddings import MARGIN, SIDE, embeddings
from aejax.report.sections.explained import explained
from aejax.report.sections.paths import HEIGHT, WIDTH, paths
from aejax.report.sections.similarity import similarity
from aejax.report.sections.traversals import manifold, traversals
from aejax.report.sections.units import dictionary, units
from aejax.statistics import student_interval
from aejax.store.contents import SavedStudy
from aejax.store.explanations import Explanation
from aejax.store.record import Record
from tests.report.explanations import digits, make_explanations, make_similarity
from tests.report.rows import cells

SIZES = {"points": 60, "cards": 6, "units": 4, "side": 3, "paths": 2, "attributed": 3}


def content(explanations, similarity=None):
    record = Record(name="toy", question="", configs=(), data={})
    return gather([SavedStudy(record, [], [], explanations=explanations, similarity=similarity)])


@pytest.fixture(scope="module")
def explanations():
    return make_explanations(*digits(), [("plain", 0), ("plain", 1), ("vae", 0), ("vae", 1)], **SIZES)


def changed(one, **arrays):
    return dataclasses.replace(one, arrays=one.arrays | arrays)


def pngs(body):
    """The pictures of a section's body, [height, width, channels] each."""
    sources = re.findall(r'src="data:image/png;base64,([^"]*)"', body)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(source))).convert("RGBA")) for source in sources]


def test_numbers_are_means_over_seeds_with_students_interval(explanations):
    heading, plain, vae = cells(explained(content(explanations)))[:3]
    assert heading == ["setting", "dead units", "duplicate units", "purity %", "information nats", "n"]
    mean, half, _ = student_interval([60.0, 61.0])  # 50 + 2 · 5 + seed.
    assert plain[3] == f"{mean:.1f} ± {half:.1f}" == "60.5 ± 6.4"
    assert (plain[0], vae[0], plain[-1]) == ("plain", "vae", "2")


def test_numbers_without_a_title_are_shown_by_their_name(explanations):
    numbers = {"linked_units": 3.0}
    one = Explanation(explanations[0].facts | {"numbers": numbers}, {})
    heading, row = cells(explained(content((one,))))
    assert heading == ["setting", "linked units", "n"]
    assert row[1] == "3.00 (no interval)"


def test_classes_are_called_by_their_names(explanations):
    named = [f"kind-{letter}" for letter in "abcdefghij"]
    one = dataclasses.replace(explanations[0], facts=explanations[0].facts | {"class_names": named})
    for section in (embeddings, units, paths):
        body, numbered = (section(content((which,))).body for which in (one, explanations[0]))
        assert re.search("class kind-[a-j]", body)
        assert not re.search("class [0-9]", body)
        assert re.search("class [0-9]", numbered)


def test_dictionaries_stand_beside_dense_codes_with_paired_differences(explanations):
    table = cells(explained(content(explanations)))[3:]
    row = dict(zip(table[0], table[1], strict=True))
    assert row["dead units %"] == "0.5 ± 0"
    assert row["dead without AuxK %"].startswith("50")
    # Of purity, 30 points in either seed, of information, and of the probe.
    differences = [cell for name, cell in zip(table[0], table[1], strict=True) if name == "difference"]
    assert differences == ["30 ± 0 better", "-0.2 ± 0 worse", "-0.1 ± 1.3 undecided"]
    ratios = [(1 - 0.9 - 0.01 * seed) / (1 - 0.6 - 0.01 * seed) for seed in (0, 1)]
    assert row["impurity"].startswith(f"{np.mean(ratios):.2f}")
    without = [Explanation(one.facts | {"numbers": {"dead_units": 0.0}, "attribution": []}, {}) for one in explanations]
    assert "dictionar" not in explained(content(without)).body


def test_sections_without_their_data_are_not_there(explanations):
    bare = content([Explanation(one.facts | {"numbers": {}, "attribution": []}, {}) for one in explanations])
    for section in (explained, traversals, manifold, embeddings, units, dictionary, attribution, paths, similarity):
        assert section(bare) is None


def test_members_are_chosen_by_title_and_those_without_pictures_are_left_out(explanations):
    body = traversals(content(explanations)).body
    assert re.findall("<h3>([^<]*)", body) == ["plain, seed 0", "vae, seed 0"]
    assert body.count("data-values") == 8


def test_a_strip_holds_the_frames_side_by_side_the_unit_of_the_largest_score_first(explanations):
    image = np.zeros((4, 3, 8, 8, 1), np.uint8)
    image[2] = np.array([10, 20, 30], np.uint8)[:, None, None, None]
    score = np.array([0.5, 1.0, 7.0, 0.1], np.float32)
    values = np.tile(np.float32([-2, 0, 2]), (4, 1))
    one = changed(explanations[0], traversal_image=image, traversal_score=score, traversal_value=values)
    body = traversals(content((one,))).body
    assert re.search(r'data-values="([^"]*)"', body)[1] == "−2.00 +0.00 +2.00"
    assert "variance 7" in re.search("<figcaption>(.*?)</figcaption>", body)[1]
    strip = pngs(body)[0]
    assert strip.shape == (8, 24, 4)
    assert strip[0, ::8, 0].tolist() == [10, 20, 30]


def test_points_of_a_map_are_those_of_the_sheet(explanations):
    label = np.array([1, 0, 1])
    images = np.stack([np.full((8, 8, 1), value, np.uint8) for value in (10, 20, 30)])
    points = np.float32([[0, 0], [2, 1], [1, 1]])
    arrays = {"embedding_label": label, "embedding_image": images, "embedding_pca": points}
    kept = {name: array for name, array in explanations[0].arrays.items() if name != "embedding_tsne"}
    one = changed(dataclasses.replace(explanations[0], arrays=kept), **arrays)
    body = embeddings(content((one,))).body
    (sheet,) = pngs(body)
    assert sheet[0, ::8, 0].tolist() == [20, 10, 30]  # By class.
    found = re.findall(r'<path d="([^"]*)" class="point k(\d)" data-first="(\d)" data-name="([^"]*)"', body)
    # The wider direction fills the map, and up is less.
    low, high, half = MARGIN, SIDE - MARGIN, (SIDE - 2 * MARGIN) // 4
    bottom, top = SIDE // 2 + half, SIDE // 2 - half
    assert found == [
        (f"M{high} {top}h0", "0", "0", "class 0"),
        (f"M{low} {bottom}h0M{SIDE // 2} {top}h0", "1", "1", "class 1"),
    ]


def test_maps_without_labels_have_one_color(explanations):
    kept = {name: array for name, array in explanations[0].arrays.items() if name != "embedding_label"}
    body = embeddings(content((dataclasses.replace(explanations[0], arrays=kept),))).body
    assert set(re.findall(r'class="point (k\d)"', body)) == {"k0"}
    assert "legend" not in body


def test_points_without_a_label_have_a_name_and_color_of_their_own(explanations):
    label = explanations[0].arrays["embedding_label"].copy()
    label[::2] = -1
    body = embeddings(content((changed(explanations[0], embedding_label=label),))).body
    assert set(re.findall(r'class="point (unlabelled|k\d)"[^>]*data-name="no label"', body)) == {"unlabelled"}
    assert not re.search(r'class="point unlabelled"[^>]*data-name="class', body)


def test_units_say_what_was_measured_and_what_was_not_is_left_out(explanations):
    purity = np.float32([0.5, np.nan, 0.9, 0.2, 0.1, 0.3])
    label = np.array([3, -1, 4, 5, 6, 7])
    kept = {name: array for name, array in explanations[0].arrays.items() if name != "unit_atom"}
    one = changed(dataclasses.replace(explanations[0], arrays=kept), unit_purity=purity, unit_class=label)
    body = units(content((one,))).body
    captions = re.findall("<figcaption>(.*?)</figcaption>", body)
    assert captions[0].startswith("unit 2: class 4 ")
    assert "purity 90 %" in captions[0]
    assert captions[-1].startswith("unit 1 ")
    assert "purity" not in captions[-1]
    assert body.count("<img") == 6
    body = dictionary(content((one,))).body
    assert body.count("<img") == 12
    assert "of images" in body


def test_maps_are_red_where_they_raise_and_clear_where_they_do_nothing(explanations):
    maps = explanations[0].arrays["attribution_map"].copy()
    maps[0] = 0
    maps[0, 0, 0, :3] = [2, -2, 1]
    maps[0, 0, 1:, :] = [2, -2] * 4
    section = attribution(content((changed(explanations[0], attribution_map=maps),)))
    drawn = pngs(section.body)[1]  # After the images.
    assert drawn.shape == (8, 24, 4)
    assert drawn[0, 0].tolist() == [*RAISES, 255]
    assert drawn[0, 1].tolist() == [*LOWERS, 255]
    assert drawn[0, 2, 3] == pytest.approx(127, abs=2)
    assert drawn[0, 3, 3] == drawn[0, 8, 3] == 0


def test_checks_are_said_in_words_and_the_meaningless_map_fails(explanations):
    section = attribution(content(explanations))
    assert section.body.count("<strong>failed</strong>") == 2 * 3 * 3
    assert "<strong>passed</strong> completeness: the sum misses the change by 0.003" in section.body
    assert "their rank correlation is 0.98 in the mean" in section.body
    assert "it is 0.05 in size" in section.body
    heading, *rows = [row for row in cells(section) if row]
    assert len(rows) == 2 * 3 * 4
    edges = next(row for row in rows if row[:3] == ["plain", "probe", "edges"])
    assert dict(zip(heading, edges, strict=True))["random weights, signed"] == "1 ± 0"
    assert edges[-2:] == ["0 of 2", "deletion, insertion, randomization"]
    assert next(row for row in rows if row[2] == "integrated gradients")[-2:] == ["2 of 2", ""]


def test_probabilities_of_a_path_lie_one_upon_the_other(explanations):
    probability = np.zeros((1, 3, 10), np.float32)
    probability[0, :, 2] = [1, 0.5, 0]
    probability[0, :, 7] = [0, 0.5, 1]
    images = explanations[0].arrays["path_image"][:1, :3]
    one = changed(explanations[0], path_probability=probability, path_image=images, path_class=np.array([[2, 7]]))
    body = paths(content((one,))).body
    areas = re.findall(r'<polygon points="([^"]*)" class="area k(\d)">', body)
    assert [color for _, color in areas] == ["2", "7"]
    upper = [tuple(map(float, point.split(","))) for point in areas[0][0].split()][:5]
    sixth = round(WIDTH / 6, 1)
    end = round(5 * WIDTH / 6, 1)
    assert upper == [(0, 0), (sixth, 0), (WIDTH / 2, HEIGHT / 2), (end, HEIGHT), (WIDTH, HEIGHT)]
    assert "class 2 to class 7" in body


def test_a_matrix_says_its_numbers_where_there_is_room():
    small = similarity(content((), make_similarity(["a", "b", "c"]))).body
    shown = [float(text) for text in re.findall(r'class="value">([^<]*)', small)]
    assert shown == [1, 0.6, 0.2, 0.6, 1, 0.6, 0.2, 0.6, 1]
    told = json.loads(re.search('data-cells="([^"]*)"', small)[1].replace("&#34;", '"'))
    assert told["names"] == ["a", "b", "c"]
    assert told["values"][0] == [1, 0.6, 0.2]
    large = similarity(content((), make_similarity([f"layer {index}" for index in range(40)]))).body
    assert 'class="value"' not in large
    assert sum(path.count("M") for path in re.findall(r'<path d="([^"]*)"', large)) == 1600


def test_studies_beside_each_other_are_told_apart(explanations):
    record = Record(name="toy", question="", configs=(), data={})
    two = gather([SavedStudy(record, [], [], explanations=explanations[:2]) for _ in range(2)])
    assert [row[0] for row in cells(explained(two))[1:3]] == ["toy: plain", "toy (2): plain"]
    assert re.findall("<h3>([^<]*)", manifold(two).body) == ["toy: plain, seed 0", "toy (2): plain, seed 0"]
