"""Markup from templates, in which everything that is not markup is escaped, and images as part of the page."""

import base64
import functools
import importlib.resources
import io
from collections.abc import Collection, Sequence

import jinja2
import numpy as np
from markupsafe import Markup

NUM_CLASS_COLORS = 10  # As many as assets/explore.css defines, told apart by more than their order: for classes.
Html = Markup  # Text that is markup already; all other text is escaped where it is put into markup.


@functools.cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("aejax.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["asset"] = asset
    return environment


def asset(name: str) -> Html:
    """Returns a file of styles or scripts, to stand in the page as it is."""
    return Html((importlib.resources.files("aejax.report") / "assets" / name).read_text("utf-8"))


def render(template: str, **data: object) -> Html:
    """Returns a template of this package, filled; texts among the data are escaped unless they are `Html`."""
    return Html(_templates().get_template(template).render(data))


def join(*content: str) -> Html:
    """Returns content one after the other, escaped where it is not `Html`."""
    return Html("").join(content)


def note(text: str) -> Html:
    """Returns a paragraph in small print: what is shown, and how it is meant."""
    return render("paragraph.html", text=text, kind="note")


def warning(text: str) -> Html:
    """Returns a paragraph that should not be overlooked."""
    return render("paragraph.html", text=text, kind="warning")


def paragraph(text: str) -> Html:
    """Returns a paragraph."""
    return render("paragraph.html", text=text, kind="")


def titled(title: str, body: Html) -> Html:
    """Returns a part of a section below its own title."""
    return render("titled.html", title=title, body=body)


def wide(body: Html) -> Html:
    """Returns content that scrolls by itself where it is wider than the page."""
    return render("wide.html", body=body)


def definitions(pairs: Sequence[tuple[str, str]]) -> Html:
    """Returns a list of words with what they stand for."""
    return render("definitions.html", pairs=pairs)


def table(
    heading: Sequence[str], rows: Sequence[Sequence[str]], *, class_: str | None = None, choices: Collection[str] = ()
) -> Html:
    """Returns a table that scrolls by itself where it is wider than the page; its first column stays in view.

    With the class "sortable" a click on a heading sorts it, and if it is long it can be searched; columns in `choices`
    can then be narrowed to one of their values.
    """
    return render("table.html", heading=heading, rows=rows, class_=class_, choices=choices)


def picture(images: np.ndarray, columns: int, alt: str, *, frame: int = 1, size: int = 640) -> Html:
    """Returns images [n, height, width, channels], uint8, as one <img> of rows and columns, each in a frame.

    It is about `size` pixels of the page wide: small images are shown larger, in whole pixels.
    """
    canvas = on_canvas(images, columns, frame)
    scale = max(1, round(size / canvas.shape[1]))
    return image_element(to_png(canvas), alt, width=canvas.shape[1] * scale, height=canvas.shape[0] * scale)


def image_element(png: bytes, alt: str, **attributes: object) -> Html:
    """Returns a PNG file as an <img> whose pixels stay squares."""
    source = "data:image/png;base64," + base64.b64encode(png).decode()
    named = {name.replace("_", "-"): value for name, value in attributes.items()}
    return render("image.html", source=source, alt=alt, attributes=named)


def figure(title: str, image: Html) -> Html:
    """Returns a picture below its title; it scrolls by itself where it is wider than the page."""
    return render("figure.html", title=title, image=image)


def on_canvas(images: np.ndarray, columns: int, frame: int = 1) -> np.ndarray:
    """Returns images [n, height, width, channels], uint8, as one of rows and columns, each in a gray frame."""
    num, _, _, channels = images.shape
    columns = min(columns, num)
    border = (frame, frame)
    padded = np.pad(images, ((0, -num % columns), border, border, (0, 0)), constant_values=128)
    rows, (height, width) = len(padded) // columns, padded.shape[1:3]
    grid = padded.reshape(rows, columns, height, width, channels).transpose(0, 2, 1, 3, 4)
    return grid.reshape(rows * height, columns * width, channels)


def to_png(image: np.ndarray) -> bytes:
    """Returns an image [height, width, channels], uint8, as a PNG file; of more than three channels the first three."""
    from PIL import Image

    content = io.BytesIO()
    channels = image.shape[-1]
    Image.fromarray(image[..., 0] if channels < 3 else image[..., :3]).save(content, "PNG")
    return content.getvalue()
