"""What the features of each layer of the encoder are worth, beside those that the family offers."""

from aejax.measures.zoo import all_metrics
from aejax.report.content import Content, Section
from aejax.report.html import Html, join, note, table, titled

MAX_SETTINGS = 6


def layers(content: Content) -> Section | None:
    """Returns a table for each metric: settings and the layers that were measured, in the order of the config."""
    parts: list[Html] = []
    for metric in all_metrics():
        settings = content.beside_baselines(metric, MAX_SETTINGS)
        names = list(dict.fromkeys(name for s in settings for name in s.rows[0]["config"].get("evaluation.layers", ())))
        rows = []
        for setting in settings:
            shown = [setting.interval(f"test_{name}_{metric.name}") for name in names]
            if any(shown):
                cells = [metric.show(interval) for interval in (*shown, setting.interval(metric.test))]
                rows.append([setting.name, *cells])
        if rows:
            heading = ["setting", *names, "features"]
            parts.append(titled(metric.heading, table(heading, rows)))
    if not parts:
        return None
    text = (
        "Test images. What a layer gives, before the activation that follows it, large maps as means of at most 4 × 4 "
        "squares; the last column is what the family offers as its features."
    )
    return Section("layers", "Layers", join(note(text), *parts))
