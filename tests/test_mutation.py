"""The mutation check itself: its texts are there, a fault is seen, and one that no test sees is said."""

import shutil

import pytest

from tests import mutation


def test_every_mutation_changes_a_text_that_is_there_once(tmp_path):
    shutil.copytree(mutation.ROOT / "aejax", tmp_path / "aejax", ignore=shutil.ignore_patterns("__pycache__"))
    for one in mutation.MUTATIONS:
        file = tmp_path / "aejax" / one.file
        before = file.read_text()
        mutation.mutate(one, tmp_path)
        assert file.read_text() != before
        file.write_text(before)
        for word in one.tests.split(" -k ")[0].split():
            assert (mutation.ROOT / word).is_file(), word
    names = [one.name for one in mutation.MUTATIONS]
    assert len(set(names)) == len(names)
    with pytest.raises(LookupError, match=r"0 times in aejax/config.py, and not once: nowhere"):
        mutation.mutate(mutation.Mutation("gone", "config.py", "nowhere", "", ""), tmp_path)


@pytest.mark.slow
def test_faults_are_seen_and_what_changes_nothing_is_not(capsys):
    some = [one for one in mutation.MUTATIONS if one.name.startswith(("Student", "sweep", "half"))]
    assert len(some) == 4
    # The file's first line, in other words: no test can see that.
    same = mutation.Mutation("nothing", "sweep.py", '"""Sweeps: lists', '"""Sweeps, lists', "tests/test_sweep.py")
    assert mutation.check([*some, same]) == [same]
    said = capsys.readouterr().out
    assert "| Student's interval: deviation divided by n | tests/test_statistics.py::" in said
    assert "| nothing | NOT SEEN (status 0) by tests/test_sweep.py" in said
    assert "4 of 5 mutations were seen" in said
