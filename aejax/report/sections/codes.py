"""What the codes of models with a posterior cost, what they leave of the image, and whether they say anything."""

import numpy as np

from aejax.measures.likelihood import POSTERIOR
from aejax.methods.roles import Role
from aejax.report.content import Content, Section
from aejax.report.drawing import Chart, Series, line_chart
from aejax.report.embed import figures
from aejax.report.html import Html, join, note, table, warning
from aejax.store.results import Setting

RATE, DISTORTION = POSTERIOR.details[:2]


def codes(content: Content) -> Section | None:
    """Returns rate against distortion, a table of what the rate consists of, and the members that collapsed."""
    found = [setting for setting in content.settings if setting.interval(RATE.test) is not None]
    if not found:
        return None
    rows = []
    for setting in found:
        cells = [metric.show(setting.interval(metric.test)) for metric in POSTERIOR.details]
        rows.append([setting.name, *cells, _collapsed([setting])])
    heading = ["setting", *(f"{metric.title} {metric.unit}".strip() for metric in POSTERIOR.details), "collapsed"]
    parts: list[Html] = []
    own = [setting for setting in found if Role.SUBJECT in setting.role]
    if any(setting.mean("test_collapsed") for setting in own):
        text = f"Posterior collapse: no unit is active in {_collapsed(own)} members of the autoencoder."
        parts.append(warning(text))
    parts.append(figures(rate_distortion_charts(content)))
    text = (
        "Test images. The rate is the mean KL of the posterior to the prior, what a code costs; the distortion is the "
        "mean of −log p(image | code), what the code leaves to be told. A unit is active where its mean varies over "
        "images by more than 0.01; a member whose units are all inactive has collapsed."
    )
    return Section("codes", "Rate and distortion", join(note(text), *parts, table(heading, rows)))


def _collapsed(settings: list[Setting]) -> str:
    values = [value for setting in settings for value in setting.values("test_collapsed").values()]
    return f"{sum(map(bool, values))} of {len(values)}"


def rate_distortion_charts(content: Content) -> list[Chart]:
    """Returns a chart for each likelihood with several settings: distortions of two are not comparable."""
    by_likelihood: dict[str, list[Setting]] = {}
    for setting in content.settings:
        if Role.SUBJECT in setting.role and setting.interval(RATE.test) is not None:
            kind = setting.rows[0]["config"].get("autoencoder.likelihood.kind")
            by_likelihood.setdefault(str(kind), []).append(setting)
    return [_rate_distortion(group) for group in by_likelihood.values() if len(group) > 1]


def _rate_distortion(settings: list[Setting]) -> Chart:
    """Returns a point for each setting with the interval of its distortion, joined in the order of their rates."""
    points = []
    for setting in settings:
        rate, distortion = (setting.interval(metric.test) for metric in (RATE, DISTORTION))
        if rate and distortion:
            half_width = float(np.nan_to_num(distortion.half_width))
            points.append((rate.mean, distortion.mean, half_width, setting.label or setting.name))
    points.sort()
    x, y, half = (np.array(values) for values in zip(*(point[:3] for point in points), strict=True))
    curve = Series("distortion", x, y, y - half, y + half, 1)
    marks = curve._replace(marked=True, tips=[{"setting": point[3]} for point in points])
    return line_chart([curve, marks], title="distortion, nats, against rate", x_label="rate, nats")
