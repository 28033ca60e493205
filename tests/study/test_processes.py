"""Two processes that train together give what one gives with as many devices."""

import os
import socket

from tests.study.studies import ARGUMENTS, assert_same_study, finish, script


def test_two_processes_are_one(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    arguments = (*ARGUMENTS, "--seeds=3")
    environment = os.environ | {"JAX_NUM_CPU_DEVICES": "2"}
    status, _, err = finish(script("train", *arguments, f"--workdir={tmp_path / 'one'}", env=environment))
    assert status == 0, err
    together = [
        script(
            "train",
            *arguments,
            f"--workdir={tmp_path / 'two'}",
            f"--coordinator=127.0.0.1:{port}",
            "--num_processes=2",
            f"--process={index}",
            env=os.environ | {"JAX_NUM_CPU_DEVICES": "1"},
        )
        for index in range(2)
    ]
    ended = [finish(process) for process in together]
    assert [status for status, _, _ in ended] == [0, 0], [err for _, _, err in ended]
    # One of them speaks.
    assert "report.html" in ended[0][1]
    assert ended[1][1] == ""
    assert_same_study(tmp_path / "two", tmp_path / "one")
