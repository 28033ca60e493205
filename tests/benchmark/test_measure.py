"""The benchmark at its smallest: real contenders in real processes, a record, and the tables made of it."""

import json
import re

import jax
import jax.numpy as jnp
import pytest

from aejax.benchmark import estimators, measure, networks, ours, suites
from aejax.benchmark.command import benchmark
from aejax.data.resident import Batch
from aejax.errors import UserError
from aejax.report.publish import renew_tables
from aejax.report.speed import read_record, to_summary, to_table
from aejax.training.flops import step_flops


def small(**arguments):
    return suites.Contender(suites.OURS, {"network": "dense", "batch_size": 32, "num_images": 320} | arguments)


@pytest.fixture(scope="module")
def record():
    contenders = {
        "aejax": small(),
        "aejax, 3 members": small(members=3),
        "PyTorch, in memory": suites.Contender("no.such.module", {}, requires=("no_such_package",)),
        "broken": small(batch_size=-1),
    }
    said = []
    case = measure._measure_case("dense", suites.Case("images/s", contenders), 2, said.append)
    assert any("no_such_package is not installed" in line for line in said)
    assert any("broken left out; it fails here" in line for line in said)
    return {"date": "today", "environment": {"backend": "cpu"}, "cases": {"dense": case}}


@pytest.mark.slow
def test_a_record_holds_what_every_contender_took(record):
    case = record["cases"]["dense"]
    assert list(case["contenders"]) == ["aejax", "aejax, 3 members"]
    for result in case["contenders"].values():
        assert len(result["values"]) == 2
        assert all(value > 0 for value in result["values"])
        # Of a step: encoder and decoder forward and by their weights, and the decoder by its input.
        assert result["flops_per_image"] == 5 * 2 * 784 * 256
        assert result["memory_mb"] > 10
    assert len(case["matmul_gflops"]) == 2


@pytest.mark.slow
def test_a_search_is_measured_beside_the_training_of_as_many_members():
    small = {"rates": 2, "noises": 1, "folds": 2, "epochs": 1}
    case = suites.SUITES["search"]["20 settings x 5 folds, digits, 25 epochs"]
    contenders = {
        name: contender._replace(arguments=contender.arguments | small) for name, contender in case.contenders.items()
    }
    results = measure._measure_case("search", suites.Case("s", contenders), 1, print)["contenders"]
    assert list(results) == list(case.contenders)
    assert results["PopulationSearchCV"]["picked"] == results["GridSearchCV"]["picked"]
    assert results["PopulationSearchCV"]["score"] == results["GridSearchCV"]["score"]


@pytest.mark.slow
def test_a_record_becomes_tables_in_a_markdown_file(record, tmp_path):
    rates = dict(record["cases"]["dense"]["contenders"])
    rates["PyTorch, in memory"] = rates["aejax"] | {"values": [value / 4 for value in rates["aejax"]["values"]]}
    record = json.loads(json.dumps(record))
    record["cases"]["dense"]["contenders"] = rates
    assert to_table(record).count("\n") == 5
    assert "| 4.00 " in to_table(record)
    assert "| 4.00 x" in to_summary([record])
    measure.write_record(tmp_path / "speed" / "dense.json", record)
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- table: speed/dense.json -->\n<!-- end of table -->\n<!-- table: speed -->\n<!-- end of table -->\n"
    )
    assert renew_tables(page) == 2
    assert page.read_text().count("4.00") == 3  # In the table, and in the summary beside PyTorch and its fastest.


def test_a_record_of_folds_becomes_a_table_of_paired_differences():
    of = lambda *values: {"values": values, "compile_seconds": 0.0, "test_share": 0.25}  # noqa: E731
    case = {"unit": suites.RIGHT, "contenders": {"ours": of(97.0, 95.0, 96.0), "PCA": of(96.0, 94.0, 92.0)}}
    table = to_table({"environment": {}, "cases": {"digits": case}})
    assert re.search(r"digits +\| ours +\| 96.00 +\| +\| 3 ", table)
    # A mean of 2, a deviation of sqrt(3), t(0.975, 2) = 4.302653.
    assert re.search(rf"PCA +\| 94.00 +\| 2.00 ± {4.302653 * (3 * (1 / 3 + 1 / 4)) ** 0.5:.2f} +\| 3 ", table)


@pytest.mark.slow
def test_features_are_compared_fold_by_fold():
    """The autoencoder's seed changes, and the folds of all contenders are the same."""
    small = {"epochs": 1, "fields": {"autoencoder.encoder.widths": [8]}}
    for what in ("autoencoder", "pca", "pixels"):
        runner = estimators.make_runner(what, **small)
        folds = []
        for _ in range(3):
            assert runner.run() == 1
            folds.append(runner.facts())
        assert folds[0] == folds[1] != folds[2]
        assert all(20 < fold["value"] <= 100 and 0.24 < fold["test_share"] < 0.26 for fold in folds)


def test_what_is_no_record_is_one_line(tmp_path):
    path = tmp_path / "x.json"
    with pytest.raises(UserError, match="aejax benchmark --json"):
        read_record(path)
    path.write_text("[1]")
    with pytest.raises(UserError, match="is no record"):
        read_record(path)
    with pytest.raises(UserError, match="suite"):
        benchmark(["--suite=fast"])


@pytest.mark.parametrize("network", networks.IMAGE_SHAPES)
def test_every_compared_network_has_a_loss(network):
    if network == "vit":
        model = networks.VisiblePatches(networks.ViT(width=12, depth=1, heads=3))
    else:
        model = networks.make_model(network, networks.IMAGE_SHAPES[network])
    batch = Batch(jnp.full((2, *networks.IMAGE_SHAPES[network]), 0.5), None)
    terms = jax.eval_shape(lambda: model.init_with_output(jax.random.key(0), batch, train=False, method="terms")[0])
    assert terms["reconstruction"].shape == (2,)


def test_flax_and_aejax_describe_the_same_convolutional_network():
    """As many parameters of the same shapes, so that the benchmark compares layers and nothing else."""
    batch = Batch(jnp.zeros((1, 28, 28, 1)), None)
    shapes = []
    for network in ("conv", "flax conv"):
        model = networks.make_model(network, (28, 28, 1))
        variables = jax.eval_shape(lambda: model.init(jax.random.key(0), batch, train=False, method="terms"))  # noqa: B023
        # A transposed kernel of Flax has its channels the other way round.
        shapes.append(sorted(tuple(sorted(leaf.shape)) for leaf in jax.tree.leaves(variables)))
    assert shapes[0] == shapes[1]


def test_the_matrix_products_alone_are_all_computed_in_every_step():
    """None is left out because nobody reads it, and none computed once, before the loop."""
    runner = ours.make_runner(network="vae", batch_size=8, num_images=24, products=True)
    assert runner.run() == 24
    problem = ours.make_problem(network="vae", batch_size=8, num_images=24)
    task = problem.make_task(problem.configs[0])
    compiled = runner._run.lower(runner._carry).compile()
    # XLA counts the body of a loop once.
    assert compiled.cost_analysis()["flops"] >= step_flops(task, task.stages[0], problem.data)
    before_the_loop = compiled.as_text().partition("ENTRY")[2]
    assert " while(" in before_the_loop
    assert not re.search(r" (fusion|dot)\(", before_the_loop)


@pytest.mark.slow
@pytest.mark.parametrize("suite", ["start"])
def test_a_suite_runs_as_a_script_would_run_it(suite, tmp_path):
    benchmark([f"--suite={suite}", "--repetitions=1", f"--json={tmp_path / 'record.json'}"])
    assert to_table(read_record(tmp_path / "record.json"))
