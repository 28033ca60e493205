"""The mutation check: breaks one thing after another, and sees whether a test fails.

    python -m tests.mutation                  # all of them, and a table of which test saw which
    python -m tests.mutation Student k-NN     # those whose names contain one of these

Each mutation replaces a text that stands in its file exactly once, in a copy of the tree, and runs the tests that
should notice. It is an error if one is not noticed, if its text is gone, or if these tests fail without it.
"""

import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence

from tests.mutations import MUTATIONS, Mutation

ROOT = pathlib.Path(__file__).parent.parent
COPIED = ("aejax", "tests", "scripts", "experiments", "docs", "pyproject.toml", "README.md")


def mutate(mutation: Mutation, root: pathlib.Path) -> None:
    """Breaks one thing in the tree at `root`.

    Raises:
      LookupError: if the text to be replaced does not stand in its file exactly once.
    """
    path = root / "aejax" / mutation.file
    text = path.read_text()
    count = text.count(mutation.old)
    if count != 1:
        raise LookupError(f"{mutation.name}: {count} times in aejax/{mutation.file}, and not once: {mutation.old}")
    path.write_text(text.replace(mutation.old, mutation.new))


def copy(root: pathlib.Path) -> pathlib.Path:
    """Returns a directory, with a copy of the tree in it."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, root / name)
    return root


def run_tests(arguments: str, mutation: Mutation | None) -> tuple[int, str]:
    """Returns pytest's exit status in a copy of the tree, mutated or not, and the first test that failed or its end."""
    words, _, expression = arguments.partition(" -k ")
    select = ["-k", expression] if expression else []
    with tempfile.TemporaryDirectory() as temporary:
        tree = copy(pathlib.Path(temporary))
        if mutation is not None:
            mutate(mutation, tree)
        command = [sys.executable, "-m", "pytest", "-n0", "-x", "-p", "no:cacheprovider", *words.split(), *select]
        environment = os.environ | {"PYTHONPATH": str(tree)}  # Processes that tests start take the copy too.
        ended = subprocess.run(
            [*command, "--tb=no", f"--basetemp={tree / 'temporary'}"],
            cwd=tree,
            env=environment,
            capture_output=True,
            text=True,
        )
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", ended.stdout, re.MULTILINE)
    return ended.returncode, failed[1] if failed else (ended.stdout + ended.stderr).strip()[-300:]


def verdict(mutation: Mutation, plain: tuple[int, str], mutated: tuple[int, str]) -> tuple[bool, str]:
    """Returns whether a mutation was seen, and the test that saw it or the reason why none did."""
    for problem, (status, said), expected in (("fails without it", plain, 0), ("NOT SEEN", mutated, 1)):
        if status != expected:
            return False, f"{problem} (status {status}) by {mutation.tests}: {said.splitlines()[-1] if said else ''}"
    return True, mutated[1]


def check(mutations: Sequence[Mutation]) -> list[Mutation]:
    """Prints a row of a table for each mutation, and returns those that no test saw."""
    unseen = []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        plain = {tests: pool.submit(run_tests, tests, None) for tests in dict.fromkeys(m.tests for m in mutations)}
        mutated = {mutation: pool.submit(run_tests, mutation.tests, mutation) for mutation in mutations}
        print("| broken | seen by |\n|---|---|", flush=True)
        for mutation, result in mutated.items():
            seen, by = verdict(mutation, plain[mutation.tests].result(), result.result())
            unseen += [] if seen else [mutation]
            print(f"| {mutation.name} | {by} |", flush=True)
    print(f"\n{len(mutations) - len(unseen)} of {len(mutations)} mutations were seen")
    return unseen


if __name__ == "__main__":
    names = sys.argv[1:] or [""]
    sys.exit(1 if check([m for m in MUTATIONS if any(name in m.name for name in names)]) else 0)
