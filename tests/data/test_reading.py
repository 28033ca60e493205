"""Batches read ahead: the resident order, from any step on, by threads and by other processes."""

import itertools
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.data.batches import batches
from aejax.data.on_demand import OnDemand
from aejax.data.reading import Batches, Position, read_ahead
from aejax.data.streamed import StreamedImages, raise_failure
from aejax.errors import DataError

IMAGES = np.arange(50 * 2 * 3, dtype=np.int32).reshape(50, 2, 3, 1)
MEMBERS = [Position(seed=3, epoch=0), Position(seed=5, epoch=2)]
SIZE, EPOCHS = 8, 2


class Broken(OnDemand):
    """Images of which one cannot be read."""

    def __init__(self):
        super().__init__(IMAGES.shape, IMAGES.dtype)

    def key(self):
        return None

    def read(self, rows):
        if 7 in rows:
            raise DataError("picture 7 cannot be read")
        return IMAGES[rows]


def expected(first):
    for step in range(first, EPOCHS * (50 // SIZE)):
        epoch, step = divmod(step, 50 // SIZE)
        index = np.stack([batches(seed, begun + epoch, 50, SIZE)[step] for seed, begun in MEMBERS])
        yield IMAGES[index], index


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("first", [0, 4])
def test_batches_come_in_the_resident_order_from_any_step_on(first, workers):
    source = Batches(IMAGES, SIZE, MEMBERS, EPOCHS)
    read = list(read_ahead(source, first, 3, workers))
    assert len(read) == EPOCHS * (50 // SIZE) - first
    for (image, index), (wanted, order) in zip(read, expected(first), strict=True):
        np.testing.assert_array_equal(index, order)
        np.testing.assert_array_equal(image, wanted)


@pytest.mark.slow
def test_a_script_that_its_own_processes_run_again_says_so_and_ends(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import numpy as np\n"
        "from aejax.data.reading import Batches, Position, read_ahead\n"
        "next(read_ahead(Batches(np.zeros((8, 2, 2, 1), np.uint8), 4, [Position(0, 0)], 1), 0, 2, 1))\n"
    )
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert ended.returncode
    assert "put what it does below if __name__ == '__main__'" in ended.stderr


def test_what_cannot_be_read_is_named():
    with pytest.raises(DataError, match="picture 7 cannot be read"):
        for _ in itertools.islice(read_ahead(Batches(Broken(), SIZE, MEMBERS, EPOCHS), 0, 3, 0), 12):
            pass


def test_a_program_reads_images_of_the_host_as_it_reads_an_array():
    streamed, resident = StreamedImages(Broken(), "broken"), jnp.asarray(IMAGES)
    read = jax.jit(lambda images, indices: (images[indices], images[:5], images[indices[0]]))
    indices = jnp.array([[1, 2], [49, 49]])
    jax.tree.map(np.testing.assert_array_equal, read(streamed, indices), read(resident, indices))
    blocks = jax.jit(lambda images: jax.lax.map(lambda index: images[index], jnp.arange(20, 50).reshape(3, 10)))
    np.testing.assert_array_equal(blocks(streamed), blocks(resident))
    raise_failure()
    jax.block_until_ready(jax.jit(lambda images: images[3:10])(streamed))
    with pytest.raises(DataError, match="picture 7 cannot be read"):
        raise_failure()
    raise_failure()  # It is said once.
