"""Progress bars, where somebody sees them: at a terminal, and in a notebook."""

import sys

import tqdm


def progress_bar(total: int, description: str, unit: str, *, initial: int = 0, shown: bool = True) -> tqdm.tqdm:
    """Returns a bar on stderr; it is silent where that is neither a terminal nor a notebook's, and if not `shown`."""
    silent = None if "ipykernel" not in sys.modules else False  # None: unless it is a terminal.
    return tqdm.tqdm(total=total, initial=initial, desc=description, unit=unit, disable=silent if shown else True)
