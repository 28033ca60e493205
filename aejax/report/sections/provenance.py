"""Where the numbers come from: members that failed, cost, environment and command."""

import json
from collections.abc import Sequence

from aejax.report.content import Content, Section
from aejax.report.html import definitions, join, note, paragraph, render, table
from aejax.store.record import Record
from aejax.store.results import Row, show_value, varying_fields

MAX_ROWS = 50
MAX_CLASSES = 100  # That are named.


def failures(content: Content) -> Section | None:
    """Returns the members that diverged, populations that failed or are not finished, and damaged files."""
    parts = []
    diverged = [row for row in content.rows if row["status"] == "diverged"]
    if diverged:
        fields = varying_fields(content.rows)
        rows = [
            [row["method"], *(show_value(row["config"].get(field)) for field in fields), row["id"]]
            for row in diverged[:MAX_ROWS]
        ]
        text = f"{len(diverged)} members diverged: kept at their last finite state, and left out of all means."
        parts += [paragraph(text), table(["method", *fields, "id"], rows)]
    waiting = [(name, p.status) for name, p in content.populations if p.status.state != "finished"]
    if waiting:
        rows = [
            [name, status.method, str(len(status.members)), status.state, status.error or ""]
            for name, status in waiting
        ]
        parts += [
            paragraph("Populations without results; the study's command, run again, goes on with them."),
            table(["study", "method", "members", "state", "error"], rows),
        ]
    faults = [(name, fault) for name, study in content.studies.items() for fault in study.faults]
    if faults:
        rows = [[name, str(fault.path), fault.reason] for name, fault in faults[:MAX_ROWS]]
        text = f"{len(faults)} files are missing, damaged or another study's, and left out of everything above."
        parts += [paragraph(text), table(["study", "file", "reason"], rows)]
    return Section("failures", "Failed, diverged, unfinished, damaged", join(*parts)) if parts else None


def cost(content: Content) -> Section | None:
    """The cost of every population."""
    kinds: dict[tuple[str, str], list[dict[str, float]]] = {}
    members: dict[tuple[str, str], int] = {}
    for row in content.rows:
        key = row.get("study", ""), row["method"]
        members[key] = members.get(key, 0) + 1
        if row["cost"] not in kinds.setdefault(key, []):
            kinds[key].append(row["cost"])
    rows = []
    for (study, method), costs in kinds.items():
        of = [row for row in content.rows if (row.get("study", ""), row["method"]) == (study, method)]
        total = {
            name: sum(row["cost"].get(name, 0.0) for row in of) for name in ("train_seconds", "evaluation_seconds")
        }
        compiling = sum(c.get("train_compile_seconds", 0) + c.get("evaluation_compile_seconds", 0) for c in costs)
        rate = [c["images_per_second"] for c in costs if c.get("images_per_second")]
        memory = [c["memory_mb"] for c in costs if "memory_mb" in c]
        rows.append(
            [
                " ".join(part for part in (study, method) if part),
                str(members[study, method]),
                f"{total['train_seconds']:.1f}" if total["train_seconds"] else "",
                f"{sum(rate) / len(rate):,.0f}" if rate else "",
                f"{total['evaluation_seconds']:.1f}",
                f"{compiling:.1f}",
                f"{max(memory):.0f}" if memory else "",
            ]
        )
    if not rows:
        return None
    heading = ["method", "members", "training s", "images/s", "evaluation s", "compiling s", "memory MB"]
    text = "Wall seconds of all members together; memory is the training program's on one device."
    return Section("cost", "Cost", join(note(text), table(heading, rows)))


def environment(content: Content) -> Section:
    """Returns the commands, versions, devices and commits that made the numbers."""
    studies = []
    for name, study in content.studies.items():
        record = study.record
        facts = [("starts", str(len(record.starts)))] if len(record.starts) > 1 else []
        for start in record.starts[-1:]:
            facts += [("started", start.time), *((key, _shown(value)) for key, value in start.environment.items())]
        if record.parent is not None:
            before = ", ".join(f"{new} from {old}" for new, old in list(record.lineage.items())[:MAX_ROWS])
            facts += [("goes on from", str(record.parent)), ("members", before)]
        facts += [("data", line) for line in _data(study.rows, record)]
        commands = dict.fromkeys(start.command for start in record.starts)
        studies.append(
            {"name": name, "num": len(record.configs), "commands": list(commands), "facts": definitions(facts)}
        )
    return Section("environment", "Command and environment", render("environment.html", studies=studies))


def _data(rows: Sequence[Row], record: Record) -> list[str]:
    """Returns lines on every data set that a number of the study used: what was taken of it, and how it was read."""
    used = [data for row in rows for data in (row["data"], *row["data"].get("others", {}).values())]
    pixels = {data["fingerprint"]: data["pixels"] for data in used if "pixels" in data}
    lines = []
    for key, fingerprint in sorted(record.data.items()):
        fields = json.loads(key)
        parts = [fields.pop("name"), *(f"{name} {show_value(value)}" for name, value in fields.items())]
        lines.append(", ".join([*parts, *filter(None, [pixels.get(fingerprint)]), f"fingerprint {fingerprint}"]))
        if names := record.classes.get(key):
            more = [f"and {len(names) - MAX_CLASSES} more"] if len(names) > MAX_CLASSES else []
            lines.append(f"{len(names)} classes: {', '.join([*names[:MAX_CLASSES], *more])}")
        lines += record.notes.get(key, ())
    return lines


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}={part}" for key, part in value.items()) or "none"
    return (
        "unknown"
        if value is None
        else {True: "yes", False: "no"}.get(value, str(value))
        if isinstance(value, bool)
        else str(value)
    )
