"""Programs as ONNX, by jax2onnx (the extra "onnx"): for any number of images, checked by running them beside JAX."""

import importlib.util

import numpy as np

from aejax.errors import UserError, in_one_line
from aejax.trained.export.programs import ANY, ExportedProgram

TOLERANCE = 1e-4  # Of what ONNX Runtime makes of images, relative to the largest number that the program gives.


def require_jax2onnx() -> None:
    """Checks that programs can be converted.

    Raises:
      UserError: if what they are converted by is not installed.
    """
    for name in ("jax2onnx", "onnxruntime"):
        if importlib.util.find_spec(name) is None:
            raise UserError(f"ONNX is written by {name}, which is not installed; pip install 'aejax[onnx]'")


def to_onnx(program: ExportedProgram) -> bytes:
    """Returns a program as an ONNX model that gives what the program gives, for two numbers of images.

    Raises:
      UserError: if jax2onnx cannot convert it, or if the model gives other numbers.
    """
    import jax
    import jax2onnx
    import onnxruntime

    (taken,) = program.inputs
    try:
        model = jax2onnx.to_onnx(
            program.function,
            program.shapes(),
            model_name=program.name,
            input_names=[taken.name],
            output_names=[program.output.name],
        ).SerializeToString()
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        for num in (1, 3):
            shape = [num if size == ANY else int(size) for size in taken.shape]
            example = (
                np.random.default_rng(0).uniform(0, 255 if taken.dtype == "uint8" else 1, shape).astype(taken.dtype)
            )
            (given,) = session.run(None, {taken.name: example})
            expected = np.asarray(jax.jit(program.function)(example))
            difference = np.max(np.abs(given - expected)) / max(np.max(np.abs(expected)), 1e-30)
            if given.shape != expected.shape or not difference <= TOLERANCE:
                raise ValueError(f"of {num} images it gives other numbers, by {difference:.2g} of the largest")
    except Exception as error:  # Of two libraries, which raise what they like.
        raise UserError(
            f"the {program.name} cannot be written as ONNX ({in_one_line(error)}); export it without --onnx"
        ) from error
    return bytes(model)
