"""What the features are worth on other data than those that the encoder was trained on."""

from aejax.measures.base import Metric
from aejax.measures.other_data import TRANSFER
from aejax.measures.zoo import find_metric
from aejax.report.content import Content, Section
from aejax.report.html import join, note, table
from aejax.store.results import show_value

MAX_SETTINGS = 12
_PAIRS = [(find_metric(metric.name.removeprefix("transfer_")), metric) for metric in TRANSFER.metrics]


def transfer(content: Content) -> Section | None:
    """Returns the accuracy on test images of the own and of the other data, side by side."""
    pairs = [pair for pair in _PAIRS if any(setting.mean(pair[1].test) is not None for setting in content.settings)]
    if not pairs:
        return None
    metrics: list[Metric] = [metric for pair in pairs for metric in pair]
    rows = []
    for setting in content.beside_baselines(pairs[0][1], MAX_SETTINGS):
        config = setting.rows[0]["config"]
        # In the config, other data may have the name 'own'.
        used = setting.rows[0]["data"].get("others", {}).get("transfer", {"name": config["evaluation.transfer.name"]})
        own, other = (
            f"{name} {show_value(config.get(f'{part}.classes'))}".strip()
            for part, name in {"data": config["data.name"], "evaluation.transfer": used["name"]}.items()
        )
        cells = [metric.show(setting.interval(metric.test), seeded=setting.seeded) for metric in metrics]
        rows.append([setting.name, own, other, *cells])
    heading = ["setting", "trained on", "transferred to", *(f"{metric.title} {metric.unit}" for metric in metrics)]
    text = (
        "Test images. The encoder, with the preprocessing fitted to its training images, turns the other data into "
        "features; probe and k-NN are fitted to these and their labels as to its own. Settings are chosen by "
        f"validation images of the other data ({pairs[0][1].title})."
    )
    return Section("transfer", "Features on other data", join(note(text), table(heading, rows)))
