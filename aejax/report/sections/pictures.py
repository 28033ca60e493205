"""Pictures: what members make of test images, and weights that touch the pixels."""

import numpy as np

from aejax.report.content import Content, Section
from aejax.report.html import Html, figure, join, note, picture
from aejax.store.contents import Pictures

MAX_PICTURED = 4


def reconstructions(content: Content) -> Section | None:
    """Returns test images above what the best settings and the baselines reconstruct from them."""
    shown = [(name, pictures) for name, pictures in _pictured(content) if "reconstruction" in pictures]
    if not shown:
        return None
    figures: list[Html] = []
    last: np.ndarray | None = None
    for name, pictures in shown:
        image = pictures["image"]
        if last is None or image.shape != last.shape or np.any(image != last):
            figures.append(figure("test images", picture(image, len(image), "Test images, as they are")))
            last = image
        alt = f"The same test images, reconstructed by {name}"
        figures.append(figure(name, picture(pictures["reconstruction"], len(image), alt)))
    return Section("reconstructions", "Reconstructions", join(*figures))


def weights(content: Content) -> Section | None:
    """Returns the weights of layers that touch the pixels as images: zero is gray, each unit to its own scale."""
    figures = []
    for name, pictures in _pictured(content):
        for part, what in (("encoder_weights", "looks for"), ("decoder_weights", "draws")):
            if part in pictures:
                title = f"{name}: what each {part.partition('_')[0]} unit {what}"
                figures.append(figure(title, picture(_centered(pictures[part]), 16, title)))
    if not figures:
        return None
    text = "One image for each unit; gray is a weight of zero, and every unit has its own scale."
    return Section("weights", "Weights", join(note(text), *figures))


def _pictured(content: Content) -> list[tuple[str, Pictures]]:
    subjects = content.subjects()
    others = [setting for setting in content.settings if setting not in subjects]
    own = [(setting.name, content.pictures(setting)) for setting in subjects]
    own = [(name, pictures) for name, pictures in own if pictures][:MAX_PICTURED]
    return own + [(s.name, pictures) for s in others[:20] if (pictures := content.pictures(s))][:MAX_PICTURED]


def _centered(images: np.ndarray) -> np.ndarray:
    images = images.astype(np.float32)
    scale = np.abs(images).max(axis=(1, 2, 3), keepdims=True)
    return np.round(127.5 + 127.5 * images / np.where(scale > 0, scale, 1)).astype(np.uint8)
