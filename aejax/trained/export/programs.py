"""The programs of a trained model: pure functions of arrays, and how they become StableHLO with the weights inside."""

import functools
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.export
import jax.numpy as jnp

from aejax.errors import UserError, in_one_line, is_out_of_memory
from aejax.methods.roles import Role
from aejax.methods.zoo import role_of
from aejax.samplers.drawing import sampling_key
from aejax.samplers.generator import IMAGES_AT_ONCE
from aejax.trained.programs import decode, draw, encode, features

PLATFORMS = ("cpu", "cuda", "tpu")
ANY = "n"  # The size of an axis that may have any size.
# Calls of code that is no StableHLO: by this one jax.export checks the shapes of arguments, everywhere.
_EVERYWHERE = {"shape_assertion"}


class Argument(NamedTuple):
    """An array that a program takes or gives."""

    name: str
    shape: tuple[int | str, ...]  # With `ANY` for an axis of any size.
    dtype: str
    meaning: str


class ExportedProgram(NamedTuple):
    """A pure function of arrays, which has all weights in it."""

    name: str
    function: Callable[..., jax.Array]
    inputs: tuple[Argument, ...]
    output: Argument

    def shapes(self) -> list[jax.ShapeDtypeStruct]:
        """The shapes and types of its inputs, with symbols for axes of any size."""
        scope, symbolic = jax.export.SymbolicScope(), jax.export.symbolic_shape
        return [
            jax.ShapeDtypeStruct(symbolic(",".join(map(str, one.shape)), scope=scope), jnp.dtype(one.dtype))
            for one in self.inputs
        ]


def make_programs(trained: Any) -> tuple[list[ExportedProgram], list[str]]:
    """The programs of a model, and for each that it cannot have a sentence that says why."""
    own, described, weights = trained.autoencoder, trained.trained_on, _weights(trained.autoencoder.variables)
    in_bytes = described.image_type == "uint8"
    stored = f"as the data set stores them, {'0 to 255' if in_bytes else 'in [0, 1]'}; preprocessed by the program"
    images = Argument("images", (ANY, *described.image_shape), described.image_type, stored)
    code = Argument("latents", (ANY, own.latent_size), "float32", "the codes; of a variational family, their means")
    pixels = Argument(
        "images", (ANY, *described.image_shape), "float32", "on the scale of [0, 1], neither cut nor rounded"
    )
    encoder, represented = (functools.partial(function, own, weights) for function in (encode, features))
    programs, lacking = [ExportedProgram("encoder", encoder, (images,), code)], []
    example = jax.ShapeDtypeStruct((1, *described.image_shape), described.image_type)
    if str(jax.make_jaxpr(encoder)(example)) != str(jax.make_jaxpr(represented)(example)):
        size = jax.eval_shape(represented, example).shape[1]
        given = Argument("features", (ANY, size), "float32", "the features that classifiers were given")
        programs.append(ExportedProgram("features", represented, (images,), given))
    if Role.CLASSIFIER in role_of(trained.method):
        classify = trained.represent(weights).classify
        assert classify is not None, "its role says that it classifies"
        logits = Argument(
            "logits", (ANY, described.num_classes or 0), "float32", "the largest is the likeliest class's"
        )
        programs.append(ExportedProgram("classifier", classify, (images,), logits))
    for make in (_decoder, _sampler):
        try:
            programs.append(make(trained, code, pixels))
        except UserError as error:
            lacking.append(f"No {make.__name__[1:]}: {error}")
    return programs, lacking


def _weights(variables: Any) -> Any:
    """Variables as constants of a program."""
    return jax.tree.map(jnp.asarray, variables)


def _decoder(trained: Any, code: Argument, pixels: Argument) -> ExportedProgram:
    trained.check_decodes_alone()
    own = trained.autoencoder
    return ExportedProgram("decoder", functools.partial(decode, own, _weights(own.variables)), (code,), pixels)


def _sampler(trained: Any, code: Argument, pixels: Argument) -> ExportedProgram:
    del code
    generator, variables = trained.generator
    draw_block = functools.partial(draw, trained, generator, _weights(variables))

    def sample(seed: jax.Array, blocks: jax.Array) -> jax.Array:
        return jax.lax.map(functools.partial(draw_block, sampling_key(seed, "own")), blocks).reshape(
            -1, *pixels.shape[1:]
        )

    seed = Argument("seed", (), "uint32", "decides what is drawn")
    blocks = Argument("blocks", ("b",), "int32", f"the numbers of blocks of {IMAGES_AT_ONCE} images each, from 0 on")
    output = pixels._replace(shape=(f"{IMAGES_AT_ONCE}*b", *pixels.shape[1:]))
    return ExportedProgram("sampler", sample, (seed, blocks), output)


def to_stablehlo(program: ExportedProgram) -> bytes:
    """Serializes a program by `jax.export`: for any number of images, on all of PLATFORMS.

    Products of matrices have the highest precision, so that they give the same numbers on all of them.

    Raises:
      UserError: if it cannot be exported so.
    """
    try:
        with jax.default_matmul_precision("highest"):
            exported = jax.export.export(jax.jit(program.function), platforms=PLATFORMS)(*program.shapes())
        foreign = custom_calls(exported.mlir_module()) - _EVERYWHERE
        if foreign:
            raise ValueError(f"it calls {', '.join(sorted(foreign))}, which not every platform has")
        return bytes(exported.serialize())
    except Exception as error:  # What a network of the user's own does with the number of images, nobody knows.
        if is_out_of_memory(error):
            raise
        raise UserError(
            f"the {program.name} cannot be exported for any number of images on {', '.join(PLATFORMS)}: "
            f"{in_one_line(error)}"
        ) from error


def custom_calls(module: str) -> set[str]:
    """The targets of the custom calls in the text of a StableHLO module."""
    return set(re.findall(r"custom_call\s+@([\w.]+)", module))


def to_json(programs: list[ExportedProgram]) -> dict[str, Any]:
    """The names, shapes and types of what programs take and give, as plain JSON."""

    def argument(one: Argument) -> dict[str, Any]:
        return one._asdict() | {"shape": list(one.shape)}

    return {
        one.name: {"inputs": list(map(argument, one.inputs)), "outputs": [argument(one.output)]} for one in programs
    }
