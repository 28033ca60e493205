"""The table of autoencoders with their best samplers: in the report, in results.md and on a page."""

import pathlib
import shutil

import pytest

from aejax.errors import UserError
from aejax.report.publish import renew_tables
from aejax.report.sections.overview import overview
from aejax.report.tables import make_overview
from aejax.store.results import settings
from tests.report.rows import cells, make_content, make_row

PUBLISHED = pathlib.Path(__file__).parent.parent.parent / "experiments" / "results"
# Of the images of each sampler: the distance from validation and from test images.
DISTANCES = {
    ("plain", "gaussian"): (4.0, 1.0),
    ("plain", "mixture"): (3.0, 2.0),  # Validation finds it better, and the test images do not.
    ("vae", "prior"): (5.0, 6.0),
    ("vae", "mixture"): (7.0, 5.0),
}


def rows_of(*kinds):
    rows = []
    for seed in (0, 1):
        for kind in kinds:
            rate = {"test_rate": 10.0 + seed} if kind == "vae" else {}
            config = {"autoencoder.kind": kind}
            metrics = {"test_probe_accuracy": 0.9, "test_mse": 0.01, "test_ssim": 0.5, **rate}
            rows.append(make_row("autoencoder", seed, config, cost={"train_seconds": 20.0}, **metrics))
        for (kind, sampler), (validation, test) in DISTANCES.items():
            metrics = {"validation_frechet_distance": validation + seed, "test_frechet_distance": test + seed}
            config = {"autoencoder.kind": kind, "generation.sampler.kind": sampler}
            rows += [make_row("generator", seed, config, **metrics)] if kind in kinds else []
    return rows


def test_each_autoencoder_has_the_sampler_that_validation_ranks_first():
    section = overview(make_content(rows_of("plain", "vae", "denoising")))
    table = [dict(zip(cells(section)[0], row, strict=True)) for row in cells(section)[1:]]
    assert list(table[0]) == [
        "setting",
        "linear probe %",
        "rate nats",
        "MSE",
        "Fréchet distance",
        "by sampler",
        "seconds",
        "n",
    ]
    denoising, plain, vae = table
    assert (plain["setting"], plain["by sampler"], vae["by sampler"]) == ("plain", "mixture", "prior")
    assert plain["Fréchet distance"].startswith("2.5 ±")
    assert vae["Fréchet distance"].startswith("6.5 ±")
    assert (plain["rate nats"], vae["rate nats"][:6]) == ("", "10.5 ±")
    assert (denoising["Fréchet distance"], denoising["by sampler"], denoising["n"]) == ("", "", "2")
    assert plain["seconds"] == "20"
    assert "| plain " in section.text


def test_a_single_autoencoder_with_samplers_needs_no_such_table():
    assert make_overview(settings(rows_of("plain"))) is None
    assert (
        overview(make_content([make_row(test_mse=0.1), make_row(test_mse=0.2, config={"autoencoder.kind": "tied"})]))
        is None
    )


def test_a_page_may_have_it_of_a_published_study(tmp_path):
    for name in ("generation-fashion", "quickstart"):
        shutil.copytree(PUBLISHED / name, tmp_path / name)
    page = tmp_path / "page.md"
    page.write_text("<!-- overview: generation-fashion -->\nold\n<!-- end of table -->\n", encoding="utf-8")
    assert renew_tables(page) == 1
    lines = page.read_text(encoding="utf-8").splitlines()
    assert [line.split("|")[1].strip() for line in lines[3:5]] == ["plain", "rae_l2"]
    assert all("| mixture " in line for line in lines[3:5])
    page.write_text("<!-- overview: quickstart -->\n<!-- end of table -->\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"no two autoencoders with samplers .*; write 'table' for 'overview'"):
        renew_tables(page)
