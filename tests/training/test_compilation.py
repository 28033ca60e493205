"""Programs are compiled in the background: each once, a failure where it is needed, none begun by who ends."""

import gc
import threading
import weakref

import jax
import jax.numpy as jnp
import pytest

from aejax.training import compilation
from aejax.training.compilation import (
    LESS_EFFORT,
    cancel_compilations,
    compile_in_background,
    result_of,
    wait_for_compilations,
)


class Lowered:
    """Stands for a lowered program whose compilation takes until it is let go, or fails."""

    args_info = out_info = ""

    def __init__(self, text, failure=None):
        self.text, self.failure = text, failure
        self.begun, self.go = threading.Event(), threading.Event()

    def as_text(self):
        return self.text

    def compile(self, **_):
        self.begun.set()
        assert self.go.wait(timeout=30)
        if self.failure is not None:
            raise self.failure
        return self.text


@pytest.fixture
def cores(monkeypatch, compile_events):
    """Two threads, and no program of other tests."""
    pool = compilation.concurrent.futures.ThreadPoolExecutor(2)
    monkeypatch.setattr(compilation, "_threads", lambda: pool)
    yield
    pool.shutdown()


def test_what_is_lowered_alike_is_compiled_once(cores, compile_events):
    programs = [jax.jit(lambda x: jnp.sin(x) + 17).lower(jax.ShapeDtypeStruct((3,), "float32")) for _ in range(2)]
    (first, is_new), (second, is_new_again) = map(compile_in_background, programs)
    wait_for_compilations()
    assert (is_new, is_new_again) == (True, False)
    assert first is second
    assert len(compile_events) == 1
    assert first.result().seconds > 0
    assert first.result().program(jnp.ones(3)).shape == (3,)


def test_programs_are_compiled_at_the_same_time_and_those_that_wait_are_forgotten_at_the_end(cores):
    lowered = [Lowered(f"program {number}") for number in range(3)]
    compiling = [compile_in_background(one)[0] for one in lowered]
    for one in lowered[:2]:
        assert one.begun.wait(timeout=30)
    assert not lowered[2].begun.is_set()
    cancel_compilations()
    for one in lowered:
        one.go.set()
    wait_for_compilations()
    assert [one.result().program for one in compiling[:2]] == ["program 0", "program 1"]
    assert compiling[2].cancelled()
    again, is_new = compile_in_background(lowered[2])
    assert is_new
    assert again.result().program == "program 2"


def test_a_failure_is_raised_where_the_program_is_needed_and_tried_again(cores):
    lowered = Lowered("too large", MemoryError("RESOURCE_EXHAUSTED"))
    lowered.go.set()
    compiling, _ = compile_in_background(lowered)
    wait_for_compilations()

    class Large:
        pass

    held = None

    def read(compiling):
        nonlocal held
        large = Large()
        held = weakref.ref(large)
        result_of(compiling)

    with pytest.raises(MemoryError):
        read(compiling)
    gc.collect()
    assert held() is None  # What whoever needs it had in memory is not kept with the failure.
    lowered.failure = None
    again, is_new = compile_in_background(lowered)
    assert is_new
    assert again.result().program == "too large"


def test_options_of_the_user_count_more(cores, monkeypatch):
    given = []
    lowered = Lowered("program")
    lowered.go.set()
    monkeypatch.setattr(lowered, "compile", lambda **options: given.append(options))
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=3")
    compile_in_background(lowered, LESS_EFFORT)[0].result()
    monkeypatch.setenv("XLA_FLAGS", "")
    compile_in_background(lowered, LESS_EFFORT)[0].result()
    split = {"xla_cpu_parallel_codegen_split_count": 1}
    assert given == [
        {"compiler_options": split},
        {"compiler_options": split | {"xla_backend_optimization_level": 1}},
    ]


def test_who_waits_can_be_stopped_and_what_is_being_compiled_is_not_forgotten(cores, monkeypatch):
    monkeypatch.setattr(compilation, "_MOST", 1)
    slow, others = Lowered("slow"), [Lowered(f"program {number}") for number in range(3)]
    compile_in_background(slow)
    for one in others:
        one.go.set()
        compile_in_background(one)[0].result()

    def stop():
        raise InterruptedError

    with pytest.raises(InterruptedError):
        wait_for_compilations(stop)
    slow.go.set()
    wait_for_compilations()
    again, is_new = compile_in_background(slow)
    assert not is_new
    assert again.result().program == "slow"
