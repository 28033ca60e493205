"""Charts as part of a page: their data once, and Vega's JavaScript, with which the page needs no network."""

import functools
import importlib.metadata
import json
from collections.abc import Sequence
from typing import Any

from aejax.cache import cached_text
from aejax.report.drawing import Chart
from aejax.report.escape import script_json
from aejax.report.html import Html, render


def figures(charts: Sequence[Chart]) -> Html:
    """Returns charts side by side, each below its title; nothing where there are none."""
    return _figures(charts, "charts") if charts else Html("")


def figure(chart: Chart) -> Html:
    """Returns a chart that has a row of the page to itself, below its title."""
    return _figures([chart], "charts single")


def is_chart(body: Html) -> bool:
    """Returns whether a part of a page has a chart: a page without one needs no JavaScript to draw it."""
    return '<div class="chart"' in body


@functools.cache
def javascript() -> Html:
    """Returns Vega, Vega-Lite and vega-embed as the text of a module that sets `vegaEmbed`, kept in the cache."""
    import vl_convert

    version = importlib.metadata.version("vl-convert-python")
    text = cached_text(f"vega-{version}.js", lambda: str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")))
    return Html(text.replace("</script", "<\\/script").replace("<!--", "<\\!--"))


def _figures(charts: Sequence[Chart], class_: str) -> Html:
    """Returns places for charts, and all that they show: each column of their data once, in however many it is."""
    specs = [chart.to_dict(validate=False) for chart in charts]  # Altair has checked every part when it was made.
    titles = [spec.pop("title") for spec in specs]
    columns: dict[str, int] = {}
    shown = []
    for spec in specs:
        tables = {name: _table(points, columns) for name, points in spec.pop("datasets").items()}
        kept = {key: value for key, value in spec.items() if key not in ("$schema", "config", "width")}
        shown.append({"spec": kept, "tables": tables})
    content = {"charts": shown, "columns": list(map(json.loads, columns))}
    return render("charts.html", class_=class_, data=Html(script_json(content)), titles=titles)


def _table(points: Sequence[dict[str, Any]], columns: dict[str, int]) -> dict[str, int]:
    """Returns the number of each column of a chart's data, after adding to `columns`, as JSON, those that are new."""
    names = dict.fromkeys(name for point in points for name in point)
    texts = {name: json.dumps(_column([point.get(name) for point in points])) for name in names}
    return {name: columns.setdefault(text, len(columns)) for name, text in texts.items()}


def _column(values: list[Any]) -> Any:
    """Returns values, or where they are texts these once and the place of each among them."""
    if not any(isinstance(value, str) for value in values):
        return values
    words = {word: index for index, word in enumerate(dict.fromkeys(values))}
    return {"words": list(words), "at": [words[value] for value in values]}
