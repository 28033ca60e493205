"""The network by whose features images are compared, of images that are read when they are asked for."""

import dataclasses

import pytest

from aejax.data.on_demand import OnDemand
from aejax.errors import DataError
from aejax.evaluation import feature_network


class Broken(OnDemand):
    """Images that cannot be read."""

    def key(self):
        return None

    def read(self, rows):
        raise DataError(f"image {rows[0]} cannot be read")


@pytest.mark.slow
def test_a_network_of_images_that_cannot_be_read_is_not_kept(dataset, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(feature_network, "NUM_STEPS", 1)
    train = dataclasses.replace(dataset.train, image=Broken(dataset.train.image.shape, dataset.train.image.dtype))
    broken = dataclasses.replace(dataset, train=train)
    with pytest.raises(DataError, match="cannot be read"):
        feature_network.feature_network(broken)
    assert not list(tmp_path.glob("aejax/arrays/*"))
