"""How a trained model shows itself: a line, a few lines of HTML, and a picture of what it makes of images."""

import html
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from aejax.config import departures, flatten
from aejax.data.pixels import to_bytes
from aejax.data.vectors import check_pictures
from aejax.store.results import show_value

if TYPE_CHECKING:
    from PIL import Image

MOST_SHOWN = 16  # Images in a picture.
HEIGHT = 64  # Of an image in it, in pixels, unless that is larger itself.


def to_line(trained: Any) -> str:
    """Describes a `Trained` in a line: its method, family and size, and how it was trained."""
    num = sum(np.size(leaf) for leaf in jax.tree.leaves(trained.variables.get("params", {})))
    described = trained.trained_on
    return (
        f"{trained.config.autoencoder.kind} {trained.method}, {num:,} parameters, trained on "
        f"{described.num_images['train']:,} images of {' x '.join(map(str, described.image_shape))} for "
        f"{len(trained.curves.get('epoch', ()))} epochs"
    )


def to_html(trained: Any) -> str:
    """Returns the line, the fields of the config that are no defaults, and the losses of first and last epoch."""
    fields = {path: show_value(value) for path, value in flatten(departures(trained.config))}
    losses = {name: curve for name, curve in trained.curves.items() if name.endswith("_loss") and len(curve)}
    fields |= {name: f"{curve[0]:.4g} → {curve[-1]:.4g}" for name, curve in losses.items()}
    cells = [f"<td>{html.escape(name)}</td><td>{html.escape(value)}</td>" for name, value in fields.items()]
    rows = "".join(f"<tr>{cell}</tr>" for cell in cells)
    return f"<p>{html.escape(to_line(trained))}</p><table>{rows}</table>"


def draw(trained: Any, images: Any) -> "Image.Image":
    """Draws the first images in a row, and below each what a `Trained` makes of it."""
    from PIL import Image

    check_pictures(trained.trained_on)
    images = trained.check_images(images)[:MOST_SHOWN]
    again = trained.reconstruct(images)
    rows = [np.concatenate(list(to_bytes(np.asarray(row))), axis=1) for row in (images, again)]
    pixels = np.concatenate(rows)
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] < 3 else pixels[..., :3])
    scale = max(1, HEIGHT // images.shape[1])
    return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)
