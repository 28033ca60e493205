"""Networks of the user's own that are no Flax Linen modules: pairs of functions (init, apply), and modules of NNX."""

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import nnx

from aejax.errors import ConfigError, in_one_line
from aejax.networks.layers import Initializer
from aejax.networks.zoo import NETWORKS

PARAMETERS = "own"  # Their name among the parameters of the Linen module that holds them.


class Functions(NamedTuple):
    """A network as functions of the shapes that it is made for, of single examples."""

    init: Callable[..., Any]  # (key, *shapes) -> parameters: any tree of arrays.
    apply: Callable[..., jax.Array]  # (parameters, x [batch, ...], *shapes) -> [batch, ...].


def register_network(kind: str, encoder: Any, decoder: Any) -> Any:
    """Adds a network of your own under a kind, and returns its config class, which goes wherever ours do.

        class Encoder(nnx.Module):
            def __init__(self, image_shape, *, rngs):
                self.layer = nnx.Linear(math.prod(image_shape), 64, rngs=rngs)

            def __call__(self, image):
                return nnx.relu(self.layer(image.reshape(len(image), -1)))

        class Decoder(nnx.Module):
            def __init__(self, latent_shape, image_shape, *, rngs):
                self.layer = nnx.Linear(*latent_shape, math.prod(image_shape), rngs=rngs)

            def __call__(self, latent):
                return self.layer(latent)

        Mine = aejax.register_network("mine", Encoder, Decoder)
        aejax.fit(aejax.PlainConfig(encoder=Mine()), images)

    Either may be a pair of functions as well: `init(key, image_shape)`, of a decoder `init(key, latent_shape,
    image_shape)`, returns the parameters, any tree of arrays, and `apply(parameters, x)` what the network makes of a
    batch. A network has parameters alone: no batch statistics, no dropout.

    Args:
      kind: its name in configs and results.
      encoder: from images, float32 [batch, height, width, channels], to features, [batch, ...]. A dense layer turns
        these into the latent; the field `initializer` draws its weights.
      decoder: from latents, [batch, latent_size], to [batch, *image_shape], or as many numbers in another shape. It is
        not bounded: a likelihood's `output` is.

    Raises:
      ConfigError: if the kind is taken, or one of them is neither a pair of functions nor a module of NNX.
    """
    parts = [_to_functions(name, part) for name, part in (("encoder", encoder), ("decoder", decoder))]
    place = inspect.unwrap(encoder[1] if isinstance(encoder, tuple) else encoder).__module__
    config = dataclasses.make_dataclass(
        "OwnNetwork",
        [("kind", Literal[kind], kind), ("initializer", Initializer, "glorot_uniform")],
        namespace={"misfit": lambda self, image_shape: _misfit(parts[0], image_shape)},
        frozen=True,
        kw_only=True,
    )
    config.__doc__ = f"The network '{kind}' of {place}."

    def encode(self: Any, image: jax.Array, *, train: bool = False) -> jax.Array:
        del train
        return _call(self, parts[0], image, image.shape[1:])

    def decode(self: Any, latent: jax.Array, *, train: bool = False) -> jax.Array:
        del train
        return _call(self, parts[1], latent, latent.shape[1:], self.image_shape).reshape(-1, *self.image_shape)

    def module(name: str, call: Any, **fields: Any) -> Any:
        """A Linen module; that it is of the user's file is how a study knows where its kind is from."""
        own = {"__module__": place, "__annotations__": {"config": config} | fields, "__call__": nn.compact(call)}
        return type(name, (nn.Module,), own)

    config.__module__ = place
    NETWORKS.register((module("OwnEncoder", encode), module("OwnDecoder", decode, image_shape=tuple[int, ...])))
    return config


def _to_functions(name: str, part: Any) -> Functions:
    if isinstance(part, tuple) and len(part) == 2 and all(map(callable, part)):
        init, apply = part
        return Functions(init, lambda parameters, x, *shapes: apply(parameters, x))
    if not (inspect.isclass(part) and issubclass(part, nnx.Module)):
        raise ConfigError(f"{name} should be a pair of functions (init, apply), or a class of nnx.Module; got {part!r}")

    make: Any = part

    def apply_nnx(parameters: Any, x: jax.Array, *shapes: tuple[int, ...]) -> jax.Array:
        module = nnx.eval_shape(lambda: make(*shapes, rngs=nnx.Rngs(0)))
        parts: Any = nnx.split(module, nnx.Param, ...)
        graph, _, others = parts
        if jax.tree.leaves(others):
            raise ConfigError(f"{name}: {part.__name__} has more than parameters ({', '.join(others)}); leave it out")
        output: jax.Array = nnx.merge(graph, parameters, others)(x)
        return output

    return Functions(lambda key, *shapes: nnx.state(make(*shapes, rngs=nnx.Rngs(key)), nnx.Param), apply_nnx)


def _call(module: nn.Module, functions: Functions, x: jax.Array, *shapes: tuple[int, ...]) -> jax.Array:
    """Applies functions to a batch, in a Linen module that holds their parameters: by their paths in the tree."""
    outline = jax.eval_shape(lambda: functions.init(jax.random.key(0), *shapes))
    leaves, structure = jax.tree_util.tree_flatten_with_path(outline)
    names = [jax.tree_util.keystr(path, simple=True, separator=".") or "value" for path, _ in leaves]

    def init(key: jax.Array) -> dict[str, jax.Array]:
        return dict(zip(names, jax.tree.leaves(functions.init(key, *shapes)), strict=True))

    held = module.param(PARAMETERS, init)
    return functions.apply(jax.tree.unflatten(structure, [held[name] for name in names]), x, *shapes)


def _misfit(encoder: Functions, image_shape: tuple[int, ...]) -> str | None:
    """Returns why an encoder cannot be given images of a shape, or None."""

    def features() -> jax.Array:
        return encoder.apply(encoder.init(jax.random.key(0), image_shape), jnp.zeros((1, *image_shape)), image_shape)

    try:
        shape = jax.eval_shape(features).shape
    except Exception as error:  # Of code that is not ours.
        return in_one_line(error)
    return (
        None if shape[:1] == (1,) else f"of one image it makes an array of shape {shape}; the first axis is the batch"
    )
