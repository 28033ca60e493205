"""What a process with eight host devices says of populations, as JSON: run by test_devices.py."""

import json
import re

import jax
import numpy as np

from aejax.config import override
from aejax.data.load import Dataset, Split
from aejax.data.resident import make_resident
from aejax.experiment import Config
from aejax.training.loop import compile_chunk, train
from aejax.training.population import Members, share
from aejax.training.setup import set_up_jax
from tests.methods import make_task

COLLECTIVES = ("all-reduce", "all-gather", "all-to-all", "collective-permute", "reduce-scatter")
CONFIG = override(Config(), {"autoencoder.encoder.widths": [16], "training.epochs": 2, "training.batch_size": 32})
TASK = make_task("autoencoder", (8, 8, 1), None)


def population(num, **training):
    """Returns the configs of so many members, with fields of their training changed."""
    changes = {f"training.{name}": value for name, value in training.items()}
    return [override(CONFIG, changes | {"seed": seed}) for seed in range(num)]


def fit(configs, data):
    """Returns the parameters of the trained members, arrays [members, ...] in host memory."""
    members = Members(configs)
    trained = train(members, TASK, data, write=lambda *_: None, description="")
    return jax.tree.leaves(members.fetch([state.params for state in trained.states]))


def operations(configs, data, members_at_once=None):
    """Returns how often each collective operation, and a branch, is in the program that trains members."""
    program = compile_chunk(Members(configs, members_at_once), TASK, data, 2)
    return {
        name: len(re.findall(rf"\s{name}(?:-start)?\(", program.compiled.as_text()))
        for name in (*COLLECTIVES, "conditional")
    }


def same(left, right):
    """Returns whether arrays are bitwise the same."""
    return all(np.array_equal(*leaves) for leaves in zip(left, right, strict=True))


def buffers(tree):
    """Returns where the arrays lie on each device."""
    shards = [shard for leaf in jax.tree.leaves(tree) for shard in leaf.addressable_shards]
    return {(shard.device.id, shard.data.unsafe_buffer_pointer()) for shard in shards}


def main():
    set_up_jax()
    image = np.random.default_rng(0).integers(0, 256, (96, 8, 8, 1), np.uint8)
    cut = lambda first, after: Split(image=image[first:after], label=None)  # noqa: E731
    dataset = Dataset(
        name="random",
        train=cut(0, 96),
        validation=cut(96, 96),
        test=cut(96, 96),
        num_classes=None,
        fingerprint="",
    )
    data = share(make_resident(dataset, "none"))
    ten, shared_three = fit(population(10), data), fit(population(3, devices_per_member=2), data)
    facts = {
        "devices": jax.device_count(),
        "round sizes": {str(num): Members(population(num)).round_size for num in (1, 2, 3, 8, 10)},
        "shared round sizes": {str(num): Members(population(num, devices_per_member=4)).round_size for num in (1, 2)},
        "alone": [same([leaf[i : i + 1] for leaf in ten], fit(population(10)[i : i + 1], data)) for i in (0, 9)],
        "shared alone": same([leaf[:1] for leaf in shared_three], fit(population(1, devices_per_member=2), data)),
        "not copied": buffers(Members(population(1)).view(data)) < buffers(data),
        "one device each": operations(population(10), data),
        "two devices each": operations(population(3, devices_per_member=2), data),
        "side by side": operations(population(16), data, members_at_once=2),
    }
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
