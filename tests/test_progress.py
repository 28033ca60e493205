"""Progress bars: at a terminal and in a notebook, and nowhere else."""

import io
import sys

import pytest

from aejax.progress import progress_bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("shown", [True, False])
@pytest.mark.parametrize(("stream", "modules", "seen"), [("file", (), 0), ("file", ("ipykernel",), 1), ("tty", (), 1)])
def test_a_bar_is_shown_where_somebody_sees_it(stream, modules, seen, shown, monkeypatch):
    written = Terminal() if stream == "tty" else io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    for name in modules:
        monkeypatch.setitem(sys.modules, name, sys)
    with progress_bar(3, "training", "epoch", initial=1, shown=shown) as bar:
        bar.update()
    assert ("2/3" in written.getvalue()) == bool(seen and shown)
