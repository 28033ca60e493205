"""The model card of an export, README.md: what the model is, what it was trained on, how good it is, how to use it."""

import json
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from aejax.config import departures, flatten
from aejax.measures.zoo import all_metrics
from aejax.methods.roles import Role
from aejax.methods.zoo import SUBJECT, role_of
from aejax.report.escape import in_line, markdown, markdown_line
from aejax.report.tables import make_table, notes, show_seconds, to_aligned
from aejax.samplers.generator import IMAGES_AT_ONCE
from aejax.store.results import show_value
from aejax.trained.export.programs import PLATFORMS, Argument, ExportedProgram
from aejax.trained.export.standing import Standing

ENDING = ".jax_export"  # Of a program's file: StableHLO in the container of jax.export.


def to_card(
    trained: Any, programs: Sequence[ExportedProgram], lacking: Sequence[str], standing: Standing | None
) -> str:
    """Returns the text of README.md: a head in YAML, as Hugging Face reads it, and sections in Markdown."""
    sections = {
        "Use": _use(trained, programs, lacking),
        "Data and training": _training(trained, standing),
        "Results": _results(trained, standing),
        "Cost": _cost(trained, standing),
        "Limits": _limits(trained),
        "Files": _files(programs),
    }
    body = "\n\n".join(f"## {title}\n\n{text.strip()}" for title, text in sections.items())
    return (
        f"---\n{_head(trained, standing)}---\n\n# {markdown_line(_title(trained))}\n\n{_summary(trained)}\n\n{body}\n"
    )


def _title(trained: Any) -> str:
    return f"{trained.config.autoencoder.kind} on {trained.trained_on.name} ({trained.method} {trained.id})"


def _head(trained: Any, standing: Standing | None) -> str:
    """The head of the card, in JSON, which YAML's readers take too."""
    fields: dict[str, Any] = {
        "library_name": "jax",
        "pipeline_tag": "image-feature-extraction",
        "tags": [SUBJECT, trained.config.autoencoder.kind, "jax", "stablehlo"],
        "datasets": [trained.trained_on.name],
    }
    if standing is not None:
        dataset = {"name": trained.trained_on.name, "type": trained.trained_on.name, "split": "test"}
        values = standing.row["metrics"]
        metrics = [
            {"type": metric.name, "name": metric.title, "value": values[metric.test]}
            for metric in all_metrics()
            if np.isfinite(values.get(metric.test, np.nan))
        ]
        results = {"task": {"type": "image-feature-extraction"}, "dataset": dataset, "metrics": metrics}
        if metrics:
            fields["model-index"] = [{"name": _title(trained), "results": [results]}]
    return "".join(f"{name}: {json.dumps(value)}\n" for name, value in fields.items())


def _summary(trained: Any) -> str:
    family, shape = trained.config.autoencoder.kind, " x ".join(map(str, trained.trained_on.image_shape))
    if Role.CLASSIFIER in role_of(trained.method):
        return f"The encoder of an autoencoder (`{family}`) and a linear classifier, for images of {shape}, from aejax."
    return (
        f"An autoencoder (`{family}`) for images of {shape}, trained by aejax: from an image to {trained.latent_size} "
        "numbers, and back."
    )


def _use(trained: Any, programs: Sequence[ExportedProgram], lacking: Sequence[str]) -> str:
    described = trained.trained_on
    shape = ", ".join(map(str, (4, *described.image_shape)))
    lines = [
        "```python",
        "import jax.export",
        "import numpy as np",
        "",
        f'with open("{programs[0].name}{ENDING}", "rb") as file:',
        f"    {programs[0].name} = jax.export.deserialize(bytearray(file.read()))",
        f"images = np.zeros(({shape}), np.{described.image_type})  # Yours: any number of them.",
        f"{programs[0].output.name} = np.asarray({programs[0].name}.call(images))",
        "```",
        "",
        "This needs only jax, numpy and flatbuffers. Each program takes any number of images:",
        "",
    ]
    for program in programs:
        taken = ", ".join(map(_describe, program.inputs))
        lines.append(f"* `{program.name}{ENDING}`: {taken} → {_describe(program.output)}")
    lines += [f"* {markdown(reason)}" for reason in lacking]
    if any(program.name == "sampler" for program in programs):
        lines += ["", f"`sampler.call(np.uint32(0), np.arange(2, dtype=np.int32))` draws {2 * IMAGES_AT_ONCE} images."]
    return "\n".join(lines)


def _describe(one: Argument) -> str:
    return f"`{one.name}` {one.dtype} [{', '.join(map(str, one.shape))}] ({one.meaning})"


def _training(trained: Any, standing: Standing | None) -> str:
    described = trained.trained_on
    sizes = ", ".join(f"{size:,} {name}" for name, size in described.num_images.items())
    lines = [
        f"* Data: {markdown(described.name)}, fingerprint {described.fingerprint}; images: {sizes}",
        f"* Preprocessing: `{trained.preprocessing.kind}`, done by the programs",
        f"* Trained for {len(trained.curves.get('epoch', ()))} epochs; fields of the config that are not defaults:",
        *(f"  * `{path}`: `{show_value(value)}`" for path, value in flatten(departures(trained.config))),
    ]
    if standing is not None:
        record = standing.record
        lines.append(f"* Study: {markdown(record.name)}. {markdown(record.question)}")
        lines += [f"* Command: `{in_line(start.command)}`" for start in record.starts[-1:]]
    return "\n".join(lines)


def _results(trained: Any, standing: Standing | None) -> str:
    if standing is None:
        return "Nothing was measured of this model."
    shown = [standing.setting, *standing.beside]
    own = f"Its own seed is {trained.config.seed}; its" if standing.setting.seeded else "Its"
    rows = [row for setting in shown for row in setting.rows]
    return "\n\n".join(
        [
            f"Over the seeds of its setting, beside the study's baselines. {own} own numbers are in metrics.json.",
            to_aligned(make_table(shown)),
            *map(markdown_line, notes(rows)),
        ]
    )


def _cost(trained: Any, standing: Standing | None) -> str:
    lines = [f"* {sum(np.size(leaf) for leaf in jax.tree.leaves(trained.variables)):,} numbers in its weights"]
    cost = {} if standing is None else standing.row["cost"]
    if "train_seconds" in cost:
        lines.append(f"* {show_seconds(cost['train_seconds'])} s of training for each member of its population")
    if "train_tflop" in cost:
        lines.append(f"* {cost['train_tflop']:.3g} TFLOP of training")
    if standing is not None and standing.record.starts:
        on = standing.record.starts[-1].environment
        names = ("device", "devices", "cores", "python", "jax", "aejax", "commit")
        lines.append("* On: " + ", ".join(f"{name} {markdown(str(on[name]))}" for name in names if name in on))
    return "\n".join(lines)


def _limits(trained: Any) -> str:
    shape = " x ".join(map(str, trained.trained_on.image_shape))
    return "\n".join(
        [
            f"* It takes images of {shape}, stored like those of {markdown(trained.trained_on.name)}. The results are "
            "of test images of the same data; for other images nothing was measured.",
            *_black_or_white(trained),
            f"* The programs run on {', '.join(PLATFORMS)}, with every version of jax that reads exports of "
            f"{jax.__version__} (jax promises this for six months).",
            "* Kinds of images that were rare in training may be encoded badly.",
        ]
    )


def _black_or_white(trained: Any) -> list[str]:
    if trained.config.data.binarization is None:
        return []
    return [
        f"* It was trained on pixels that are black or white (`data.binarization={trained.config.data.binarization}`), "
        "and the programs do not make them so."
    ]


def _files(programs: Sequence[ExportedProgram]) -> str:
    return "\n".join(
        [
            f"* `*{ENDING}`: StableHLO with the weights inside, serialized by `jax.export`",
            "* `signature.json`: the inputs and outputs of each program, and the digests of the files",
            "* `weights.safetensors`: the same weights and the arrays of the preprocessing, by name",
            "* `config.json`: the whole config, the data set and the preprocessing",
            "* `metrics.json`: means with 95 % intervals over seeds, of the model's setting and of the baselines",
        ]
    )
