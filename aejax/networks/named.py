"""The layers of a model by name: what each of them gives, and which of them stand one after another.

A name is the path of a Flax module below the model, `encoder/Conv_0`. A layer gives what its module does: of a
convolution or a dense layer that is before the activation which follows it.
"""

from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax

CONTAINER = "encoder"  # Whose layers are told apart; a layer of the model itself, such as `latent`, is one by itself.


def with_layers(call: Callable[[], Any]) -> tuple[Any, dict[str, jax.Array]]:
    """Calls a model's method; returns its result, and the output of every layer in it, in the order in which they end.

    Of a layer that is called more than once it is the last.
    """
    outputs: dict[str, jax.Array] = {}

    def record(function: Any, arguments: Any, keywords: Any, context: nn.module.InterceptorContext) -> Any:
        output = function(*arguments, **keywords)
        if context.method_name == "__call__" and context.module.path:
            outputs["/".join(context.module.path)] = output
        return output

    with nn.intercept_methods(record):
        return call(), outputs


def layer_shapes(model: nn.Module, image_shape: tuple[int, ...], method: str) -> dict[str, tuple[int, ...]]:
    """Returns the shape of what each layer gives for one image, in the order in which the layers end.

    Args:
      model: unbound.
      image_shape: [height, width, channels].
      method: the name of the model's method that is called with images.
    """
    shapes: dict[str, tuple[int, ...]] = {}

    def call(image: jax.Array) -> None:
        _, outputs = with_layers(lambda: model.init(jax.random.key(0), image, method=method))
        shapes.update({name: output.shape[1:] for name, output in outputs.items()})

    jax.eval_shape(call, jax.ShapeDtypeStruct((1, *image_shape), jax.numpy.float32))
    return shapes


def blocks(names: Sequence[str]) -> list[str]:
    """Returns the layers that stand one after another, from the image on: those of the encoder, then the model's own.

    A residual or attention block is one of them; what it consists of is not.

    Args:
      names: of all layers, as `layer_shapes` gives them.
    """

    def below(parent: str) -> list[str]:
        return [name for name in names if name.rpartition("/")[0] == parent]

    chain: list[str] = []
    for name in below(""):
        inner = below(name) if name == CONTAINER else []
        while len(inner) == 1 and below(inner[0]):
            inner = below(inner[0])
        chain += inner or [name]
    return chain


def lies_in(path: str, layer: str) -> bool:
    """Returns whether a layer or parameter is the layer of this name, or a part of it."""
    return path == layer or path.startswith(layer + "/")
