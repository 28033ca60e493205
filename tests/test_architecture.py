"""The house rules that no type checker knows: imports go one way, every field is read, every experiment works."""

import ast
import collections
import dataclasses
import functools
import inspect
import json
import pathlib
import re
import subprocess
import sys
import typing

import pytest

from aejax import config, registry, sweep
from aejax.autoencoders.zoo import FAMILIES
from aejax.cli.experiment_file import load_experiment
from aejax.experiment import Config, check, check_data
from aejax.measures.zoo import MEASURES
from aejax.methods.zoo import METHODS
from aejax.search.run import Search, check_search

ROOT = pathlib.Path(__file__).parent.parent
SOURCES = sorted((ROOT / "aejax").rglob("*.py"))

# From the ground up: a file may import from its own layer and from those above it in this list.
LAYERS = (
    ("errors", "cache", "progress"),
    ("flag_values", "moved"),
    ("registry",),
    ("user_files",),
    ("config",),
    ("sweep",),
    ("rng", "statistics"),
    ("data",),
    ("objectives",),
    ("networks",),
    ("autoencoders",),
    ("training",),
    ("samplers",),
    ("evaluation", "measures"),
    ("explain",),
    ("experiment", "methods"),
    ("trackers",),
    ("store",),
    ("study",),
    ("search",),
    ("report",),
    ("trained",),
    ("cli",),
    ("api",),
    ("estimators",),
    ("benchmark",),
    ("__main__",),
)


def layer(module):
    name = module.split(".")[1]
    return next(index for index, names in enumerate(LAYERS) if name in names)


def module_name(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@functools.cache
def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def nodes_of(path):
    return tuple(ast.walk(tree_of(path)))


def imports(path):
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_the_page_on_architecture_shows_these_layers():
    section = (ROOT / "docs" / "architecture.md").read_text().split("## What lies where\n")[1].split("\n## ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    rows = [tuple(re.findall(r"`(\w+)(?:\.py|/)`", cell)) for cell in cells]
    assert rows == list(LAYERS)


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_imports_go_down_only(path):
    module = module_name(path)
    if module == "aejax":
        return
    for name in imports(path):
        if name.startswith("aejax."):
            assert layer(name) <= layer(module), f"{module} imports {name}, which lies above it"


def test_no_two_classes_have_one_name():
    """Private ones count too, and so do those inside of functions: a name says what a thing is wherever it is read."""
    places = collections.defaultdict(list)
    for path in SOURCES:
        for node in nodes_of(path):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert len(places) > 100
    assert not {name: lines for name, lines in places.items() if len(lines) > 1}


def test_no_cycles_between_modules():
    modules = {module_name(path): path for path in SOURCES if module_name(path) != "aejax"}  # See tests/api.
    edges = {name: {other for other in imports(path) if other in modules} for name, path in modules.items()}
    done, open_ = set(), []

    def visit(name):
        assert name not in open_, f"import cycle: {' -> '.join([*open_, name])}"
        if name not in done:
            open_.append(name)
            for other in sorted(edges[name]):
                visit(other)
            open_.pop()
            done.add(name)

    for name in modules:
        visit(name)


def test_only_the_population_knows_about_devices():
    for path in SOURCES:
        if module_name(path) != "aejax.training.population":
            text = path.read_text()
            assert "shard_map" not in text, path
            # These map over the examples of a batch, draws of a code, components of a mixture, and groups of units.
            allowed = ("aejax.data.augmentation", "aejax.evaluation.likelihood", "aejax.samplers.mixture")
            allowed += ("aejax.autoencoders.stacked",)
            allowed += ("aejax.benchmark.torch_stacked",)  # That is PyTorch's, which this is compared with.
            assert "vmap(" not in text or module_name(path) in allowed, path


def test_reading_a_study_and_reporting_on_it_needs_no_training_code():
    modules = "aejax.report.write, aejax.report.publish, aejax.cli.commands, aejax.cli.compare"
    code = f"import sys, {modules}; assert not {{'jax', 'aejax.training', 'scipy'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_the_report_reads_stores_measures_and_statistics_alone():
    allowed = {"errors", "cache", "measures", "statistics", "store", "report"}
    for path in (ROOT / "aejax" / "report").rglob("*.py"):
        for name in imports(path):
            _, *parts = name.split(".")
            if name.startswith("aejax.") and parts[:2] not in (["methods", "roles"], ["methods", "zoo"]):
                assert parts[0] in allowed, f"{path} imports {name}"


def test_the_store_and_the_report_use_no_jax():
    for room in ("store", "report", "measures"):
        for path in (ROOT / "aejax" / room).rglob("*.py"):
            heads = [node for node in tree_of(path).body if isinstance(node, ast.Import | ast.ImportFrom)]
            anywhere = room != "measures"  # Whose functions import what they compute with when they are called.
            names = set(imports(path)) if anywhere else {getattr(n, "module", None) or n.names[0].name for n in heads}
            assert not any(name.split(".")[0] in ("jax", "flax", "optax", "orbax") for name in names), path


def literals(tree):
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def kinds():
    return {cls.kind for cls in config_classes() if hasattr(cls, "kind")}


def test_the_checks_of_a_config_ask_its_parts_and_name_no_kind():
    assert not (kinds() | set(MEASURES)) & literals(ast.parse((ROOT / "aejax" / "experiment.py").read_text()))
    assert all(len(inspect.getsource(function).splitlines()) <= 25 for function in (check, check_data))


def test_who_runs_and_reports_studies_compares_no_name_of_a_measure():
    # The last two are what a head of a fine-tuned network, and pictures, are called too.
    names = set(MEASURES) - kinds() - {"probe", "reconstruction"}
    for path in SOURCES:
        if path.relative_to(ROOT / "aejax").parts[0] in ("store", "study", "trained", "search", "report"):
            for node in nodes_of(path):
                assert not isinstance(node, ast.Compare) or not names & literals(node), f"{path}:{node.lineno}"


# Where the pixels of images are meant.
_OF_IMAGES = ("aejax.report.html", "aejax.report.sections.provenance", "aejax.study.measure", "aejax.store.results")


@pytest.mark.parametrize("folder", ["api", "cli", "report", "search", "store", "study", "trained"])
def test_a_method_is_asked_for_its_role_and_never_for_its_name(folder):
    for path in (ROOT / "aejax" / folder).rglob("*.py"):
        names = set(METHODS) - ({"pixels"} if module_name(path) in _OF_IMAGES else set())
        for node in nodes_of(path):
            found = isinstance(node, ast.Constant) and node.value in names
            assert not found, f"{path}:{node.lineno} names the method {node.value}: ask for a role"


def opens_text(call):
    """Whether a call opens a file of text, or a process that is read and written as text."""
    name = getattr(call.func, "attr", None) or getattr(call.func, "id", None)
    if name not in ("open", "fdopen"):
        return name in ("read_text", "write_text") or any(
            keyword.arg == "text" and getattr(keyword.value, "value", None) is True for keyword in call.keywords
        )
    of_path = name == "open" and isinstance(call.func, ast.Attribute)  # path.open(mode), not open(path, mode).
    given = [*call.args[0 if of_path else 1 :], *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
    mode = getattr(given[0], "value", None) if given else "r"
    return isinstance(mode, str) and "b" not in mode


def test_text_is_utf_8_wherever_it_is_read_or_written():
    """The locale's encoding would make of one study another on another machine."""
    for path in [*SOURCES, *(ROOT / "scripts").glob("*.py"), *(ROOT / "experiments").glob("*.py")]:
        for node in nodes_of(path):
            if isinstance(node, ast.Call) and opens_text(node):
                given = [*node.args[:1], *(keyword.value for keyword in node.keywords if keyword.arg == "encoding")]
                assert "utf-8" in [getattr(value, "value", None) for value in given], f"{path}:{node.lineno}"


def test_no_function_is_longer_than_60_lines():
    """Without its docstring; how many ways lead through one is a matter for ruff."""
    for path in SOURCES:
        for node in nodes_of(path):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                docstring = node.body[0] if ast.get_docstring(node) is not None else None
                lines = node.end_lineno - node.lineno + 1
                lines -= docstring.end_lineno - docstring.lineno + 1 if docstring else 0
                assert lines <= 60, f"{path}:{node.lineno} {node.name} has {lines} lines: split it by meaning"


def test_a_docstring_begins_with_the_thing_itself():
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    for path in [
        *SOURCES,
        *(path for room in ("experiments", "scripts", "tests") for path in (ROOT / room).rglob("*.py")),
    ]:
        for node in nodes_of(path):
            text = isinstance(node, documented) and ast.get_docstring(node)
            assert not text or not text.startswith("Returns what"), f"{path}:{getattr(node, 'lineno', 1)}"


def config_classes():
    seen, waiting = [], [Config]
    while waiting:
        cls = waiting.pop()
        if cls in seen:
            continue
        seen.append(cls)
        for hint in typing.get_type_hints(cls, include_extras=True).values():
            waiting += registry.config_classes(hint)
    return seen


def test_every_field_of_every_config_is_read_somewhere():
    nodes = [node for path in [*SOURCES] for node in nodes_of(path)]
    read = {node.attr for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)}
    classes = config_classes()
    assert len(classes) > 10
    for cls in classes:
        for field in dataclasses.fields(cls):
            assert field.name in read, f"{cls.__name__}.{field.name} is read by no code"


@pytest.mark.parametrize("cls", config_classes(), ids=lambda cls: f"{cls.__module__}.{cls.__name__}")
def test_defaults_have_the_types_of_their_fields(cls):
    """An int as the default of a float field would pass, and change the id of every run that sets it."""
    default = config.to_tree(cls())
    assert json.dumps(config.to_tree(config.load(cls, default))) == json.dumps(default)


def experiments():
    for path in sorted((ROOT / "experiments").glob("*.py")):
        names = {}
        for node in tree_of(path).body:
            if isinstance(node, ast.Assign) and node.targets[0].id == "VARIANTS":
                names = ast.literal_eval(node.value)
        yield from (f"{path}:{variant}" for variant in names) if names else (str(path),)


def test_the_table_of_objectives_has_every_family_or_says_why_not():
    path = ROOT / "experiments" / "objectives.py"
    (left_out,) = (
        ast.literal_eval(node.value)
        for node in tree_of(path).body
        if isinstance(node, ast.Assign) and node.targets[0].id == "LEFT_OUT"
    )
    ours = {kind for kind, family in FAMILIES.items() if family.__module__.startswith("aejax.")}
    for variant in ("mnist", "cpu"):
        swept = {point["autoencoder"] for point in load_experiment(f"{path}:{variant}").sweep}
        assert swept | set(left_out) == ours
        assert not swept & set(left_out)
    assert all(len(reason) > 20 for reason in left_out.values())


_trained = set()


@pytest.mark.parametrize("reference", list(experiments()), ids=lambda reference: pathlib.Path(reference).name)
def test_every_experiment_builds_round_trips_expands_and_trains(reference, dataset):
    experiment = load_experiment(reference)
    assert experiment.question.endswith("?")
    members = sweep.expand(experiment.config, experiment.sweep)
    assert members
    if experiment.search is not None:
        check_search(experiment.config, experiment.search)
        assert config.load(Search, json.loads(json.dumps(config.to_tree(experiment.search)))) == experiment.search
    for member in members:
        check(member)
        tree = json.loads(json.dumps(config.to_tree(member)))
        assert config.load(Config, tree) == member
    path, family = reference.partition(":")[0], members[0].autoencoder
    parts = tuple(type(part) for part in (family, family.encoder, family.decoder, family.likelihood))
    if not fits(members[0], dataset):  # Another variant is trained in its place.
        others = [load_experiment(other) for other in experiments() if other.partition(":")[0] == path]
        assert any(fits(sweep.expand(other.config, other.sweep)[0], dataset) for other in others)
        return
    if not {path, parts} & _trained:  # Others like it pass the same gate, and compile for as long.
        train_two_steps(members[0], dataset)
    _trained.update((path, parts))


def fits(member, dataset):
    """Whether a member's networks are of images as small as those of a data set."""
    return not list(member.autoencoder.misfits(member, dataset, {}))


def train_two_steps(member, dataset):
    import jax
    import numpy as np

    from aejax.data.resident import make_resident
    from aejax.training.fit import fit
    from tests.methods import make_task

    training = dataclasses.replace(member.training, epochs=1, batch_size=len(dataset.train.image) // 2)
    member = dataclasses.replace(member, training=training)
    task = make_task("autoencoder", dataset.train.image.shape[1:], dataset.num_classes)(member)
    data = jax.device_put(make_resident(dataset, member.data.preprocessing))
    fitted = fit(task, data, num_epochs=1)
    assert fitted.state.step == 2
    assert np.isfinite(fitted.curves["train_loss"]).all()


def test_every_experiment_says_question_command_cost_and_result():
    for path in sorted((ROOT / "experiments").glob("*.py")):
        text = ast.get_docstring(tree_of(path))
        for part in ("?", f"aejax train {path.stem}", "Cost:", "Expected:"):
            assert part in text, f"{path.name}: its docstring lacks {part!r}"
