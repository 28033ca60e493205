"""HTML and SVG as text in which everything that is not markup is escaped, and images as part of the page."""

import base64
import html
import io
from collections.abc import Collection, Sequence

import numpy as np


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def element(name: str, *content: str, **attributes: object) -> Html:
    """Returns an element; content that is not `Html` is escaped.

    Attributes are escaped; `class_` stands for class, other underscores for hyphens; None leaves one out, True gives it
    no value.
    """
    parts = [name]
    for key, value in attributes.items():
        key = key.rstrip("_").replace("_", "-")
        if value is True:
            parts.append(key)
        elif value is not None and value is not False:
            parts.append(f'{key}="{html.escape(str(value))}"')
    return Html(f"<{' '.join(parts)}>{join(*content)}</{name}>")


def join(*content: str) -> Html:
    """Returns content one after the other, escaped where it is not `Html`."""
    return Html("".join(part if isinstance(part, Html) else html.escape(part) for part in content))


def table(
    heading: Sequence[str], rows: Sequence[Sequence[str]], *, class_: str | None = None, choices: Collection[str] = ()
) -> Html:
    """Returns a table that scrolls by itself where it is wider than the page.

    With the class "sortable" a click on a heading sorts it, and if it is long it can be searched; columns in `choices`
    can then be narrowed to one of their values.
    """
    head = element(
        "thead", element("tr", *(element("th", cell, scope="col", data_choice=cell in choices) for cell in heading))
    )
    body = element("tbody", *(element("tr", *(element("td", cell) for cell in row)) for row in rows))
    return element("div", element("table", head, body, class_=class_), class_="wide")


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
    return element("img", src=source, alt=alt, class_="pixels", **attributes)


def figure(title: str, image: Html) -> Html:
    """Returns a picture below its title; it scrolls by itself where it is wider than the page."""
    return element("figure", element("figcaption", title), element("div", image, class_="wide"))


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
