"""The names of `aejax`: all that a config is made of is there, and nothing is imported before it is used."""

import dataclasses
import pathlib
import pkgutil
import subprocess
import sys
import typing

import pytest

import aejax
from aejax import registry
from aejax.autoencoders.family import Family
from aejax.experiment import Config
from aejax.networks.posterior_flows import FlowConfig
from aejax.objectives.likelihood_base import BaseLikelihood
from aejax.objectives.priors import PriorConfig
from aejax.samplers.base import SamplerConfig
from aejax.search.run import Search

ROOT = pathlib.Path(aejax.__file__).parent.parent
# They stand in annotations, and no part is of them alone.
BASES = (BaseLikelihood, Family, FlowConfig, PriorConfig, SamplerConfig)


def config_classes(hint):
    """Yields the config classes that an annotation names, at any depth."""
    for extra in getattr(hint, "__metadata__", ()):
        if isinstance(extra, registry.Registry | registry.ExtendedRegistry):
            yield from (cls for cls in extra.configs if cls.__module__.startswith("aejax."))
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        yield hint
    for part in typing.get_args(hint):
        yield from config_classes(part)


def test_every_part_of_a_config_is_there_by_its_name():
    seen, waiting = set(), [Config, Search]
    while waiting:
        cls = waiting.pop()
        if cls not in seen:
            seen.add(cls)
            for hint in typing.get_type_hints(cls, include_extras=True).values():
                waiting += config_classes(hint)
    named = {cls for cls in seen if cls not in BASES and not cls.__name__.startswith("_")}
    assert len(named) > 80
    assert not {cls.__name__ for cls in named if getattr(aejax, cls.__name__, None) is not cls}


def test_every_name_leads_somewhere_and_hides_no_module():
    assert {"fit", "run", "load", "Study", "measure", "grid", "zip", "chain"} <= set(dir(aejax))
    assert all(getattr(aejax, name) is not None for name in dir(aejax))
    assert not set(dir(aejax)) & {module.name for module in pkgutil.iter_modules(aejax.__path__)}
    with pytest.raises(AttributeError, match="module 'aejax' has no attribute 'nothing'"):
        _ = aejax.nothing


def test_every_name_says_what_it_is():
    for name in set(dir(aejax)) - {"__version__"}:
        text = getattr(aejax, name).__doc__ or ""
        assert text, name
        assert not text.startswith(f"{name}("), name  # The signature, which a dataclass without a docstring has.


def test_importing_aejax_imports_nothing_else_and_a_sweep_no_jax():
    code = (
        "import sys; before = set(sys.modules); import aejax; added = {name.partition('.')[0] for name in "
        "set(sys.modules) - before}; print(sorted(added - set(sys.stdlib_module_names))); "
        "aejax.grid('seed', [1]); aejax.zip; print('jax' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", cwd=ROOT)
    assert done.stdout == "['aejax']\nFalse\n", done.stderr
