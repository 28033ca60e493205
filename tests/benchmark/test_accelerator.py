"""`aejax accelerator` at its smallest, on the CPU: real processes, a record that survives a kill, a dry run."""

import json
import os
import signal
import time

import pytest

from aejax.benchmark import accelerator_suites, suites, turns
from aejax.benchmark.accelerator import accelerator
from aejax.benchmark.processes import ContenderProcess, Failed
from aejax.errors import ConfigError, UserError
from aejax.report.speed import read_record, to_table
from tests.study.studies import finish, script


def run(*arguments):
    """Returns the lines that the command says at its smallest."""
    said = []
    accelerator(["--smallest", *map(str, arguments)], said.append)
    return said


def measured(record):
    """Returns the result of each contender of a record, by case and contender."""
    return {(name, title): r for name, case in record["cases"].items() for title, r in case["contenders"].items()}


@pytest.mark.slow
def test_a_killed_run_goes_on_with_what_is_missing(tmp_path):
    path = tmp_path / "speed" / "here.json"
    arguments = ("--smallest", "--suite=populations", f"--json={path}")
    killed = script("accelerator", *arguments)
    while not path.exists() or not measured(read_record(path)):
        assert killed.poll() is None
        time.sleep(0.01)
    killed.kill()
    finish(killed)
    before = measured(read_record(path))
    status, said, error = finish(script("accelerator", *arguments))
    assert status == 0, error
    record = read_record(path)
    after = measured(record)
    assert before.items() <= after.items()
    names = {f"{network}, {members}" for network in ("dense", "conv") for members in ("1 member", "3 members")}
    assert set(record["cases"]) == names
    for name in names:
        assert any(line.startswith(f"{name} ") and " aejax " in line for line in said.splitlines())
        result = after[name, "aejax"]
        assert result["values"][0] > 0
        assert result["compile_seconds"] > 0
        assert result["mb_a_member"] > 3 * 4 * 2 * 784 * 64 / 1e6  # Parameters and two moments of the smaller one.
    assert len(before) < len(after)
    for missing, reason in record["left_out"].items():
        assert "PyTorch" in missing
        assert reason == "torch is not installed (pip install 'aejax[bench]')"
    assert to_table(record).count("\n") == len(after) + 2


def test_a_dry_run_says_how_many_members_fit_and_trains_nothing(tmp_path):
    _, *lines = run("--dry_run", "--suite=deterministic", f"--json={tmp_path / 'x.json'}")
    assert not list(tmp_path.iterdir())
    assert [line.split(": ")[1] for line in lines] == [
        title + again for title in ("aejax", accelerator_suites.DETERMINISTIC) for again in ("", ", again")
    ]
    # Weights and biases of a 784-256-784 network, and two moments of them, are 4.8 MB.
    assert all("(4.8 of them its state)" in line and " fit into " in line for line in lines)


def test_what_has_no_time_left_is_left_out_and_another_machines_record_refused(tmp_path):
    path = tmp_path / "x.json"
    said = run("--seconds=1", "--suite=convolutions", f"--json={path}")
    record = read_record(path)
    assert record["cases"] == {}
    assert len(record["left_out"]) == 4
    name, reason = record["left_out"].popitem()  # The first may have begun, and been ended.
    assert reason.startswith("0 s are left of --seconds")
    assert any(line.endswith(f" left out; {reason}") for line in said), name  # Once for all cases.
    record["environment"]["device"] = "another"
    path.write_text(json.dumps(record))
    with pytest.raises(UserError, match=r"a record of something else \(device: another then, cpu now\)"):
        run(f"--json={path}")
    with pytest.raises(ConfigError, match="suite"):
        run("--suite=fast")
    with pytest.raises(OSError, match="No such file"):
        run("--json=/proc/none/x.json")


def test_what_takes_too_long_is_ended_and_a_dead_process_says_so():
    arguments = {"network": "dense", "batch_size": 4, "num_images": 8}
    with ContenderProcess(suites.OURS) as process:
        with pytest.raises(Failed, match=r"no answer within 0\.01 s"):
            process.ask({"arguments": arguments}, timeout=0.01)
        assert not process.is_alive
    with ContenderProcess("aejax.no_such_module") as process, pytest.raises(Failed, match="No module named"):
        process.ask({"arguments": {}})
    with ContenderProcess(suites.OURS) as process:
        os.kill(process._process.pid, signal.SIGKILL)
        with pytest.raises(Failed, match="ended with status -9: it said nothing"):
            process.ask({"arguments": arguments})


def test_a_row_is_expected_to_take_what_as_many_members_took():
    scale = accelerator_suites.SMALLEST
    rows = [row for row in turns._rows(accelerator_suites.accelerator_suites(scale, "cpu")) if row.title == "aejax"]
    of = {row.name: row for row in rows}
    with turns.Processes() as processes:
        all_turns = turns.Turns(processes, scale, time.monotonic() + 10, print)
        assert all_turns._expected(of["dense, 1 member"]) == 0
        all_turns._took = [
            (of[f"dense, {n}"].contender, size, 2.0 * size) for n, size in (("1 member", 1), ("3 members", 3))
        ]
        assert [all_turns._expected(of[f"dense, {n}"]) for n in ("1 member", "2 members", "3 members")] == [2, 6, 6]
        assert all_turns._expected(of["conv, 1 member"]) == 0
        assert all_turns._expected(of["quickstart, stopped and carried on"]) == 33


def test_the_full_scale_covers_one_to_1024_members_of_all_networks():
    cases = accelerator_suites.accelerator_suites(accelerator_suites.Scale(), "gpu")
    populations = cases["populations"] | cases["sizes"]
    assert set(cases) == set(accelerator_suites.SUITES)
    sizes = {case.contenders["aejax"].arguments["members"] for case in populations.values()}
    assert sizes == {1, 4, 16, 64, 256, 1024}
    assert len(populations) == 3 * len(sizes)
    for case in populations.values():
        ours, loop, stacked = (contender.arguments for contender in case.contenders.values())
        assert ours["num_images"] == stacked["num_images"]
        assert ours["batch_size"] == loop["batch_size"] == stacked["batch_size"] == 128
        assert loop["device"] == stacked["device"] == "cuda"


@pytest.mark.slow
def test_everything_runs_at_its_smallest(tmp_path):
    path = tmp_path / "x.json"
    said = run(f"--json={path}")
    record = read_record(path)
    assert all("PyTorch" in name for name in record["left_out"])
    assert {case["suite"] for case in record["cases"].values()} == set(accelerator_suites.SUITES)
    bits = record["cases"]["dense, 3 members, bits"]["contenders"]
    assert len({result["bits"] for result in bits.values()}) == 1  # On a CPU with and without the flag.
    assert sum("the same bits" in line for line in said) == 2
    study = record["cases"]["quickstart, stopped and carried on"]["contenders"]["aejax"]
    assert study["epochs_after"] > study["epochs_before"] > 0
    dense = record["cases"]["dense, memory"]["contenders"]["aejax"]
    assert dense["values"][0] > dense["state_mb"]
    assert dense["fit"] > 0


@pytest.mark.slow
def test_a_study_that_does_not_begin_says_why(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    case = accelerator_suites.accelerator_suites(accelerator_suites.Scale(), "cpu")["study"].popitem()[1]
    with (
        ContenderProcess(accelerator_suites.STUDY) as process,
        pytest.raises(Failed, match="status 1: error: mnist is not prep"),
    ):
        process.ask({"arguments": case.contenders["aejax"].arguments})


@pytest.mark.torch
@pytest.mark.parametrize("network", ["dense", "vae", "conv"])
def test_stacked_members_learn_what_each_learns_alone(network):
    import torch

    from aejax.benchmark import torch_peer, torch_stacked

    members, steps, batch = 3, 4, 8
    stacked = torch_stacked.make_runner(network, batch, 32, members, device="cpu")
    alone = [torch_peer.make_runner(network, batch, 32, "fused", device="cpu") for _ in range(members)]
    for index, one in enumerate(alone):
        one.model.load_state_dict({name: value[index].clone() for name, value in stacked.parameters.items()})
    for _ in range(steps):
        inputs = (torch.rand(members, batch, 1, 28, 28),)
        inputs += torch_peer.draw_noise(alone[0].model, members, batch, device="cpu")
        together = stacked.step(*inputs)
        separate = torch.stack([one.step(*(part[index] for part in inputs)) for index, one in enumerate(alone)])
        torch.testing.assert_close(together, separate, rtol=1e-5, atol=1e-6)
    assert not torch.allclose(together[0], together[1], rtol=1e-4)
    assert stacked.run() == members * 32
    assert stacked.facts() == alone[0].facts() == {}


@pytest.mark.torch
@pytest.mark.parametrize("network", ["dense", "vae", "conv"])
def test_pytorch_has_as_many_parameters(network):
    import jax
    import jax.numpy as jnp

    from aejax.benchmark import networks, torch_peer
    from aejax.data.resident import Batch

    model, batch = networks.make_model(network, (28, 28, 1)), Batch(jnp.zeros((1, 28, 28, 1)), None)
    ours = jax.eval_shape(lambda: model.init(jax.random.key(0), batch, train=False, method="terms"))["params"]
    theirs = torch_peer.NETWORKS[network]().parameters()
    assert sum(leaf.size for leaf in jax.tree.leaves(ours)) == sum(parameter.numel() for parameter in theirs)


@pytest.mark.torch
def test_pytorch_that_sees_no_gpu_says_so():
    import torch

    from aejax.benchmark import torch_peer

    if not torch.cuda.is_available():
        with pytest.raises(RuntimeError, match="sees no GPU"):
            torch_peer.make_runner("dense", 8, 32, device="cuda")
