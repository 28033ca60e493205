"""The picture of a study: its curves, what it reconstructs, and what its features are worth. Files in, a file out."""

import json
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from aejax.study.results import Row, Setting, settings

MAX_SETTINGS = 8  # More than that, and nobody can tell the colours apart.


def write_figure(directory: pathlib.Path, rows: Sequence[Row]) -> None:
    """Draws results.png in a study's directory from what lies there."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    groups = settings(rows)
    figure, axes = plt.subplots(1, 3, figsize=(15, 4.2), width_ratios=(1, 1.3, 1), layout="constrained")
    _draw_curves(
        axes[0], [group for group in groups if group.method == "autoencoder"][:MAX_SETTINGS], _curves(directory)
    )
    _draw_reconstructions(axes[1], _samples(directory, groups))
    _draw_accuracies(axes[2], groups[: 2 * MAX_SETTINGS])
    figure.savefig(directory / "results.png", dpi=110)
    plt.close(figure)


def _curves(directory: pathlib.Path) -> dict[str, dict[str, list[float]]]:
    """Returns train_loss and validation_loss by epoch for each autoencoder's id."""
    curves: dict[str, dict[str, list[float]]] = {}
    for path in sorted(directory.glob("populations/autoencoder-*/metrics.jsonl")):
        for line in path.read_text().splitlines():
            record = json.loads(line)
            member = curves.setdefault(record["id"], {"train_loss": [], "validation_loss": []})
            for name, values in member.items():
                if record.get(name) is not None:
                    values.append(record[name])
    return curves


def _draw_curves(axis: Any, groups: Sequence[Setting], curves: dict[str, dict[str, list[float]]]) -> None:
    for index, group in enumerate(groups):
        label = ", ".join(f"{name.rsplit('.', 1)[-1]} {value}" for name, value in group.fields.items()) or "autoencoder"
        for name, style in (("train_loss", "-"), ("validation_loss", "--")):
            members = [curves[row["id"]][name] for row in group.rows if row["id"] in curves]
            shortest = min((len(member) for member in members), default=0)
            if not shortest:
                continue
            values = np.array([member[:shortest] for member in members])
            epochs = np.arange(1, shortest + 1)
            suffix = "" if name == "train_loss" else " (validation)"
            axis.plot(epochs, values.mean(axis=0), style, color=f"C{index}", label=label + suffix)
            axis.fill_between(epochs, values.min(axis=0), values.max(axis=0), color=f"C{index}", alpha=0.2, linewidth=0)
    axis.set(title="Loss (mean and range over seeds)", xlabel="epoch", yscale="log")
    axis.legend(fontsize=8)


def _samples(directory: pathlib.Path, groups: Sequence[Setting]) -> list[tuple[str, np.ndarray]]:
    """Returns (name, images [n, height, width, channels]): originals, then what a member of each method made of it."""
    strips: list[tuple[str, np.ndarray]] = []
    for method in dict.fromkeys(group.method for group in groups):
        for path in sorted(directory.glob(f"populations/{method}-*/samples.npz"))[:1]:
            with np.load(path, allow_pickle=False) as arrays:
                image, reconstruction = arrays["image"], arrays["reconstruction"][0]
            scale = 255.0 if image.dtype == np.uint8 else 1.0
            if not strips:
                strips.append(("test images", image / scale))
            if image.shape == strips[0][1].shape:
                strips.append((method, np.clip(reconstruction, 0, 1)))
    return strips


def _draw_reconstructions(axis: Any, strips: Sequence[tuple[str, np.ndarray]]) -> None:
    axis.set_title("Test images and reconstructions")
    axis.axis("off")
    if not strips:
        return
    images = np.stack([strip[:10] for _, strip in strips])  # [rows, columns, height, width, channels]
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1), (0, 0)), constant_values=1.0)
    num_rows, _, height, _, channels = padded.shape
    canvas = padded.transpose(0, 2, 1, 3, 4).reshape(num_rows * height, -1, channels)
    axis.imshow(canvas[..., 0] if channels == 1 else canvas, cmap="gray", vmin=0, vmax=1)
    for row, (name, _) in enumerate(strips):
        axis.text(-1, (row + 0.5) * height, name, ha="right", va="center", fontsize=9)


def _draw_accuracies(axis: Any, groups: Sequence[Setting]) -> None:
    metric = "test_probe_accuracy"
    shown = [(group, interval) for group in groups if (interval := group.interval(metric))]
    axis.set_title("Linear probe, test accuracy (95 % interval)")
    for row, (_, interval) in enumerate(shown):
        half = np.nan_to_num(interval.half_width)
        axis.errorbar(100 * interval.mean, row, xerr=100 * half, fmt="o", capsize=4, color=f"C{row % 10}")
    names = [" ".join([group.method, *(str(value) for value in group.fields.values())]) for group, _ in shown]
    axis.set_yticks(range(len(shown)), names)
    axis.invert_yaxis()
    axis.set_xlabel("%")
    axis.grid(axis="x", alpha=0.3)
