"""Test-wide settings: several host devices, strict JAX, and no test that silently does not run."""

import collections
import gc
import importlib.util
import os
import shutil
import subprocess

# A process for each core leaves no core to BLAS's threads, which wait by spinning. Read when NumPy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import jax
import numpy as np
import pytest

from aejax.data.load import Dataset, Split
from aejax.data.resident import make_resident
from aejax.training import compilation
from aejax.training.population import share

# Tests compile far more than they compute. So XLA optimizes nothing and, where it still can, takes its older emitters,
# which need half the time. XLA reads this when a device is first used; processes that tests start inherit it.
LEAST_EFFORT = ["--xla_backend_optimization_level=0", "--xla_cpu_parallel_codegen_split_count=1"]
if jax.__version_info__ < (0, 11):
    LEAST_EFFORT.append("--xla_cpu_use_fusion_emitters=false")
os.environ.setdefault("XLA_FLAGS", " ".join(LEAST_EFFORT))

jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_numpy_rank_promotion", "raise")
# Which line an operation comes from costs a tenth of tracing, and no test reads it.
jax.config.update("jax_traceback_in_locations_limit", 0)
gc.disable()  # Tracing makes many objects and little garbage: see `collect_garbage`.


_skipped = []  # Of all processes: reports of the workers come to the one that speaks.


def pytest_collection_modifyitems(config, items):
    """Leaves out what is marked as needing something that this machine has not (pyproject.toml says what)."""
    can_mount = ["unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    missing = {
        "slow": "slow" not in config.getoption("-m"),
        "data": "TFDS_DATA_DIR" not in os.environ,
        "torch": importlib.util.find_spec("torch") is None,
        "onnx": importlib.util.find_spec("jax2onnx") is None,
        "browser": not (shutil.which("chromium") and shutil.which("chromedriver")),
        "mount": not shutil.which("unshare") or subprocess.run(can_mount, capture_output=True).returncode != 0,
    }
    keep, drop = [], []
    for item in items:
        (drop if any(missing.get(marker.name) for marker in item.iter_markers()) else keep).append(item)
    items[:] = keep
    config.hook.pytest_deselected(items=drop)


@pytest.hookimpl
def pytest_runtest_logreport(report):
    if report.skipped:
        _skipped.append(report.nodeid)


def pytest_sessionfinish(session):
    """Fails a run in which a test was skipped: what cannot run here should be deselected for a stated reason."""
    if _skipped:
        print(f"\nunexpected skips: {', '.join(_skipped)}")
        session.exitstatus = 1


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """Gives the whole run a cache directory of its own, so that tests neither read nor fill the user's."""
    base = tmp_path_factory.getbasetemp()
    # Workers share it: theirs is the directory around their own.
    directory = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"
    directory.mkdir(exist_ok=True)
    os.environ["XDG_CACHE_HOME"] = str(directory)
    # Programs that several tests compile alike are compiled once.
    jax.config.update("jax_compilation_cache_dir", str(directory / "jax"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    return directory


@pytest.fixture(scope="module", autouse=True)
def collect_garbage():
    """Collects once for each file, among what is new: what was there before is not looked at again."""
    yield
    gc.collect(0)


@pytest.fixture(scope="session")
def dataset():
    """A small data set of blurred random images, with labels that an image's brightest quadrant decides."""
    generator = np.random.default_rng(0)
    coarse = generator.uniform(0, 1, (400, 2, 2, 1))
    image = np.kron(coarse, np.ones((1, 4, 4, 1))) * generator.uniform(0.8, 1.0, (400, 8, 8, 1))
    image, label = (image * 255).astype(np.uint8), coarse.reshape(400, 4).argmax(axis=1).astype(np.int32)
    cut = lambda start, end: Split(image=image[start:end], label=label[start:end])  # noqa: E731
    return Dataset(
        name="quadrants",
        train=cut(0, 240),
        validation=cut(240, 300),
        test=cut(300, 400),
        num_classes=4,
        fingerprint="f",
    )


@pytest.fixture(scope="session")
def data(dataset):
    """The same on the devices."""
    return share(make_resident(dataset, "none"))


@pytest.fixture
def compile_events(monkeypatch):
    """Collects the seconds of every compilation by XLA while the test runs; those in the cache on disk count too."""
    monkeypatch.setattr(compilation, "_compilations", collections.OrderedDict())  # Of other tests.
    events = []

    def listen(name, seconds, **_):
        if name == "/jax/core/compile/backend_compile_duration":
            events.append(seconds)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield events
    jax.monitoring.unregister_event_duration_listener(listen)
