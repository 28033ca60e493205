"""Which pixels a unit, a probe or an error depends on, by several methods, beside checks of what they claim."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from aejax.report.content import Content, Section
from aejax.report.html import Html, image_element, join, note, on_canvas, picture, render, table, titled
from aejax.report.panels import panels
from aejax.report.tables import Table, to_aligned
from aejax.statistics import student_interval
from aejax.store.explanations import Explanation
from aejax.store.results import show_value

IMAGE = 56  # Pixels of the page, about, that a map is wide.
MEANINGLESS = "edges"
RAISES, LOWERS = (224, 62, 48), (36, 122, 220)  # Seen on white and on black; the page shows through what is near zero.
_CHECKS = {  # What is said of each check, of an attribution's entries.
    "completeness": "completeness: the sum misses the change by {completeness:.2g} of it",
    "randomization": "randomization: rank correlation with random weights {randomized_signed:.2f}",
    "deletion": "deletion: {deletion:.3g}, in random order {random_deletion:.3g}",
    "insertion": "insertion: {insertion:.3g}, in random order {random_insertion:.3g}",
}
_NUMBERS = (
    ("completeness", "completeness gap"),
    ("randomized_signed", "random weights, signed"),
    ("randomized_absolute", "random weights, absolute"),
    ("deletion", "deletion"),
    ("random_deletion", "at random"),
    ("insertion", "insertion"),
    ("random_insertion", "at random"),
)
_TEXT = (
    "Red pixels raise the target, blue ones lower it, each map to its own symmetric scale. Checks, over the images: "
    "completeness (the map adds up to the change of the target, for methods that promise so); randomization (the map "
    "of a network with random weights must be another: the rank correlation of signed values on the foreground; "
    "Adebayo et al., 2018); deletion and insertion (the target falls sooner, or rises sooner, than if pixels are "
    "removed or restored in random order; Petsiuk et al., 2018). 'edges' is the meaningless control: the strength of "
    "the image's own edges, with no model in it. Of the error more is expected to stay: more ink raises it in any "
    "network."
)


def attribution(content: Content) -> Section | None:
    """Returns each member's maps beside their checks, and the numbers of the checks over seeds."""
    known = [(title, one) for title, one in content.explanations() if one.facts.get("attribution")]
    if not known:
        return None
    parts = [note(_TEXT), note(_of_absolute(known))]
    shown = [(title, _maps(one)) for title, one in known if "attribution_map" in one.arrays]
    parts += [panels("Member", shown)] if shown else []
    over_seeds = _over_seeds(known)
    choices = over_seeds.heading[:3]
    parts += [titled("Checks over seeds", table(*over_seeds, class_="sortable", choices=choices))]
    text = "\n\n".join([_TEXT, _of_absolute(known), to_aligned(over_seeds)])
    return Section("attribution", "Attribution and its checks", join(*parts), text)


def _of_absolute(known: Sequence[tuple[str, Explanation]]) -> str:
    """Returns why maps without signs are not checked by random weights, with the numbers that show it."""
    rows = [row for _, one in known for row in one.facts["attribution"] if row["method"] != MEANINGLESS]
    both = [(row.get("randomized_absolute"), row.get("randomized_signed")) for row in rows]
    pairs = np.array([pair for pair in both if None not in pair], float).reshape(-1, 2)
    pairs = pairs[np.isfinite(pairs).all(axis=1)]
    if not len(pairs):
        return "Maps are compared with none of random weights."
    absolute, signed = pairs[:, 0].mean(), np.abs(pairs[:, 1]).mean()
    return (
        f"Without signs and over all pixels maps hardly change under random weights: their rank correlation is "
        f"{absolute:.2f} in the mean, because the image's own edges and its empty background dominate. With signs "
        f"and on the foreground it is {signed:.2f} in size. So only the latter is a check."
    )


def _maps(one: Explanation) -> Html:
    images, maps = one.arrays["attribution_image"], one.arrays["attribution_map"].astype(np.float32)
    rows = list(zip(one.facts["attribution"], maps, strict=True))
    size = max(1, round(IMAGE / images.shape[2])) * images.shape[2] * len(images)
    given = {
        "name": "the images",
        "image": picture(images, len(images), "The images", frame=0, size=size),
        "checks": [],
    }
    targets = []
    for target in dict.fromkeys(row["target"] for row, _ in rows):
        lines: list[dict[str, Any]] = [given]
        for row, map_ in rows:
            if row["target"] == target:
                name = row["method"].replace("_", " ")
                alt = f"{name} of {target}: maps of the images"
                image = image_element(_signed_png(map_), alt, width=size)
                lines.append({"name": name, "image": image, "checks": _checks(row)})
        targets.append({"title": one.facts.get("targets", {}).get(target, target), "lines": lines})
    return render("attribution.html", targets=targets)


def _checks(row: dict[str, Any]) -> list[dict[str, str]]:
    """Returns a line for each check of an attribution that was made, which says in words whether it was passed."""
    lines = []
    for verdict, mark in (("passed", "✓"), ("failed", "✗")):
        for check in row[verdict]:
            text = _CHECKS[check].format_map({name: np.nan if value is None else value for name, value in row.items()})
            lines.append({"verdict": verdict, "mark": mark, "text": text})
    if row.get("randomized_absolute") is not None:
        text = f"no check: without signs, over all pixels {row['randomized_absolute']:.2f}"
        lines.append({"verdict": "", "text": text})
    return lines


def _signed_png(maps: np.ndarray) -> bytes:
    """Returns maps [n, height, width] side by side as a PNG file whose zeros are transparent, each to its own scale."""
    from PIL import Image

    scale = np.quantile(np.abs(maps), 0.99, axis=(1, 2), keepdims=True)
    level = np.clip(maps / np.where(scale > 0, scale, 1), -1, 1)
    canvas = on_canvas(np.round(127 + 127 * level).astype(np.uint8)[..., None], len(maps), frame=0)
    image = Image.frombytes("P", (canvas.shape[1], canvas.shape[0]), canvas.tobytes())
    image.putpalette([*LOWERS] * 127 + [*RAISES] * 129)
    strength = np.round(255 * np.minimum(np.abs(np.arange(256) - 127) / 127, 1)).astype(np.uint8)
    content = io.BytesIO()
    image.save(content, "PNG", transparency=strength.tobytes())
    return content.getvalue()


def _over_seeds(known: Sequence[tuple[str, Explanation]]) -> Table:
    """Returns a row for each setting, target and method: means with intervals, and how many members pass all checks."""
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for title, one in known:
        # Of several studies, the study's name comes before the member's.
        study = title.removesuffix(one.title)
        for row in one.facts["attribution"]:
            key = f"{study}{show_value(one.facts['setting'])}", row["target"], row["method"].replace("_", " ")
            groups.setdefault(key, []).append(row)
    rows = []
    for key, found in groups.items():
        passed = sum(bool(row["passed"]) and not row["failed"] for row in found)
        failed = sorted({check for row in found for check in row["failed"]})
        rows.append([*key, *(_interval(name, found) for name, _ in _NUMBERS), f"{passed} of {len(found)}"])
        rows[-1].append(", ".join(failed))
    heading = ["setting", "target", "method", *(title for _, title in _NUMBERS), "pass all", "some fail"]
    return Table(heading, rows)


def _interval(name: str, rows: Sequence[dict[str, Any]]) -> str:
    values = [float(row[name]) for row in rows if row.get(name) is not None and np.isfinite(row[name])]
    if not values:
        return ""
    mean, half, _ = student_interval(values)
    return f"{mean:.3g}" if np.isnan(half) else f"{mean:.3g} ± {half:.2g}"
