"""The directory of an export: programs, weights, config, metrics and a model card, written as a whole or not at all."""

import dataclasses
import hashlib
import json
import pathlib
from typing import Any

import jax
from safetensors.numpy import save

from aejax.config import to_tree
from aejax.store.directory import new_directory
from aejax.store.files import write_atomically
from aejax.store.record import package_version
from aejax.trained.export.card import ENDING, to_card
from aejax.trained.export.onnx import require_jax2onnx, to_onnx
from aejax.trained.export.programs import PLATFORMS, make_programs, to_json, to_stablehlo
from aejax.trained.export.standing import find_standing

FORMAT = 1


def write_export(trained: Any, target: pathlib.Path, *, onnx: bool = False) -> None:
    """Writes what can be used of a model without aejax; see `Trained.export`."""
    if onnx:
        require_jax2onnx()
    with new_directory(target) as folder:
        programs, lacking = make_programs(trained)
        standing = find_standing(trained)
        files: dict[str, bytes] = {f"{one.name}{ENDING}": to_stablehlo(one) for one in programs}
        if onnx:
            converted = [one for one in programs if one.name in ("encoder", "decoder")]
            files |= {f"{one.name}.onnx": to_onnx(one) for one in converted}
        files["weights.safetensors"] = save(trained.arrays(), {"aejax": trained.id})  # Of two, the order would vary.
        signature = {
            "format": FORMAT,
            "jax": jax.__version__,
            "platforms": PLATFORMS,
            "programs": to_json(programs),
            "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
        }
        described = {
            "format": FORMAT,
            "aejax": package_version("aejax"),
            "method": trained.method,
            "id": trained.id,
            "config": to_tree(trained.config),
            "data": dataclasses.asdict(trained.trained_on),
            "preprocessing": trained.preprocessing.kind,
        }
        metrics = {"format": FORMAT} | (standing.to_json() if standing is not None else {"metrics": None})
        files |= {
            "signature.json": _to_bytes(signature),
            "config.json": _to_bytes(described),
            "metrics.json": _to_bytes(metrics),
            "README.md": to_card(trained, programs, lacking, standing).encode(),
        }
        for name, content in files.items():
            write_atomically(folder / name, content)


def _to_bytes(tree: dict[str, Any]) -> bytes:
    return (json.dumps(tree, indent=1, allow_nan=False) + "\n").encode()
