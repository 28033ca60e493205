"""Two processes that train together give what one gives with as many devices."""

import os
import socket

from aejax.cli import commands
from tests.study.studies import assert_same_study, finish, script

# One population of two rounds, in two chunks with a checkpoint after each.
ARGUMENTS = (
    "--config=experiments/quickstart.py",
    "--seeds=3",
    "--set=training.epochs=150",
    "--set=autoencoder.encoder.widths=[8]",
    '--set=evaluation.measures=["reconstruction"]',
    "--set=evaluation.baselines=[]",
    "--checkpoint_seconds=0",
)


def test_two_processes_are_one(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    together = [
        script(
            "train",
            *ARGUMENTS,
            f"--workdir={tmp_path / 'two'}",
            f"--coordinator=127.0.0.1:{port}",
            "--num_processes=2",
            f"--process={index}",
            env=os.environ | {"JAX_NUM_CPU_DEVICES": "1"},
        )
        for index in range(2)
    ]
    # Meanwhile this process, which has two devices.
    commands.train((*ARGUMENTS, f"--workdir={tmp_path / 'one'}"), say=lambda _: None)
    ended = [finish(process) for process in together]
    assert [status for status, _, _ in ended] == [0, 0], [err for _, _, err in ended]
    # One of them speaks; what Gloo says of its connections is not ours.
    assert "report.html" in ended[0][1]
    assert [line for line in ended[1][1].splitlines() if not line.startswith("[Gloo]")] == []
    assert_same_study(tmp_path / "two", tmp_path / "one")
