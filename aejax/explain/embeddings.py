"""Codes on a plane: by their two principal components, and by t-SNE (scikit-learn, on the host)."""

import contextlib
import io
import re

import jax
import numpy as np
import tqdm

from aejax.evaluation.pca import fit_pca, project
from aejax.progress import progress_bar

PERPLEXITY = 30.0  # Of t-SNE: about as many neighbors as each point tries to keep.
NUM_STEPS = 1000


def principal_components(code: np.ndarray) -> np.ndarray:
    """Returns the two principal components of codes [n, d], float32 [n, 2]; of codes of one number the second is 0."""
    image = np.asarray(code, np.float32)
    components = np.asarray(jax.jit(lambda x: project(fit_pca(x, min(2, x.shape[1])), x))(image))
    return np.pad(components, ((0, 0), (0, 2 - components.shape[1])))


def tsne(code: np.ndarray, seed: int, *, description: str = "t-SNE") -> np.ndarray:
    """Returns the places of codes [n, d] on a plane that keeps who is near whom, float32 [n, 2], scaled to deviation 1.

    It begins at the principal components, and the seed decides what is drawn. On one thread, so that the same codes
    always give the same places; two thousand take about ten seconds. A bar shows its steps.

    Source: van der Maaten and Hinton, "Visualizing data using t-SNE", 2008, by trees (van der Maaten, 2014).

    Args:
      code: float, finite.
      seed: of what is drawn.
      description: what the bar is called.
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    if len(code) < 2:  # Nobody is near a single one.
        return np.zeros((len(code), 2), np.float32)
    perplexity = min(PERPLEXITY, (len(code) - 1) / 3)
    first = principal_components(code)
    first *= 1e-4 / max(first.std(axis=0).max(), 1e-12)  # As its authors begin, and scikit-learn where codes are wider.
    model = TSNE(perplexity=perplexity, max_iter=NUM_STEPS, init=first, random_state=seed, n_jobs=1, verbose=2)
    with progress_bar(NUM_STEPS, description, "step") as bar, threadpool_limits(1):
        # Its public interface has no callback, but it says at which step it is.
        with contextlib.redirect_stdout(_Steps(bar)):
            positions = model.fit_transform(np.asarray(code, np.float32))
        bar.update(NUM_STEPS - bar.n)  # It ends early where nothing changes.
    return positions / max(positions.std(), 1e-12)


class _Steps(io.TextIOBase):
    """Text that is not kept: a bar moves to the steps it speaks of."""

    def __init__(self, bar: tqdm.tqdm):
        self._bar = bar

    def write(self, text: str) -> int:
        match = re.search(r"Iteration (\d+)", text)
        if match:
            self._bar.update(int(match[1]) - self._bar.n)
        return len(text)
