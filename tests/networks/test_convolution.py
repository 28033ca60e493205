"""Convolutions as matrix products against those of XLA: outputs, and gradients of every argument in both directions."""

import functools
import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jax import lax

from aejax.networks.convolution import Conv, convolve, convolve_transpose, default_method

LAYOUT = ("NHWC", "HWIO", "NHWC")


@st.composite
def convolutions(draw):
    """Draws (image, kernel, strides, padding) of a convolution with at least one output position."""
    two = lambda low, high: draw(st.tuples(st.integers(low, high), st.integers(low, high)))  # noqa: E731
    size, taps, strides = two(1, 9), two(1, 5), two(1, 4)
    explicit = st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 3))] * 2)
    padding = draw(st.one_of(st.sampled_from(["SAME", "VALID"]), explicit))
    inputs, outputs = two(1, 3)
    key = jax.random.split(jax.random.key(draw(st.integers(0, 100))), 2)
    image = jax.random.normal(key[0], (draw(st.integers(1, 2)), *size, inputs))
    kernel = jax.random.normal(key[1], (*taps, inputs, outputs))
    pads = padding if isinstance(padding, tuple) else ((0, 0), (0, 0))
    enough = [n + sum(pad) >= t for n, t, pad in zip(size, taps, pads, strict=True)]
    assume(padding == "SAME" or all(enough))
    # XLA now and then leaves the gradient of a tap that meets nothing but padding uninitialized: 6.6e34 instead of 0.
    sides = lax.padtype_to_pads(size, taps, strides, padding) if isinstance(padding, str) else padding
    assume(all(map(_every_tap_meets_the_image, size, taps, strides, sides)))
    return image, kernel, strides, padding


def _every_tap_meets_the_image(size, taps, stride, pads):
    starts = range(-pads[0], size + pads[1] - taps + 1, stride)
    return all(any(0 <= start + tap < size for start in starts) for tap in range(taps))


@pytest.mark.parametrize("transpose", [False, True])
def test_a_tap_that_meets_nothing_but_padding_has_no_gradient(transpose):
    image, kernel = jnp.ones((1, 1, 8, 1)), jnp.ones((3, 1, 1, 1))
    how = (1, 1), ((3, 1), (0, 0)), "matmul"

    @jax.jit
    @functools.partial(jax.grad, argnums=1)
    def slope(image, kernel):
        if transpose:
            return jnp.sum(convolve_transpose(jax.lax.stop_gradient(convolve(image, kernel, *how)), kernel, *how))
        return jnp.sum(convolve(image, kernel, *how))

    gradient = np.asarray(slope(image, kernel))
    assert gradient[0, 0, 0, 0] == 0 != gradient[1, 0, 0, 0]


def assert_same_function(ours, theirs, *arguments):
    """Asserts equal outputs, equal reverse-mode gradients for a random cotangent, and equal forward-mode tangents."""

    @jax.jit
    def everything(*arguments):
        expected, pull_expected = jax.vjp(theirs, *arguments)
        output, pull = jax.vjp(ours, *arguments)
        assert output.shape == expected.shape
        cotangent = jnp.sin(jnp.arange(expected.size, dtype=jnp.float32)).reshape(expected.shape)
        tangents = [jax.jvp(function, arguments, arguments)[1] for function in (ours, theirs)]
        return (output, pull(cotangent), tangents[0]), (expected, pull_expected(cotangent), tangents[1])

    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-4), *everything(*arguments))


EXAMPLES = pytest.mark.parametrize("examples", [4, pytest.param(300, marks=pytest.mark.slow)])


@EXAMPLES
def test_a_convolution_equals_that_of_xla(examples):
    @settings(max_examples=examples, deadline=None)
    @given(convolutions(), st.sampled_from(["matmul", "matmul", "native"]))
    def check(case, method):
        image, kernel, strides, padding = case
        theirs = lambda x, k: lax.conv_general_dilated(x, k, strides, padding, dimension_numbers=LAYOUT)  # noqa: E731
        assert_same_function(lambda x, k: convolve(x, k, strides, padding, method), theirs, image, kernel)

    check()


@EXAMPLES
def test_a_transposed_convolution_is_the_transpose_of_one(examples):
    @settings(max_examples=examples, deadline=None)
    @given(convolutions(), st.sampled_from(["matmul", "matmul", "native"]))
    def check(case, method):
        image, kernel, strides, padding = case

        def convolution(x, k):
            return lax.conv_general_dilated(x, k, strides, padding, dimension_numbers=LAYOUT)

        shape = jax.eval_shape(convolution, image, kernel).shape
        output = jnp.cos(jnp.arange(np.prod(shape), dtype=jnp.float32)).reshape(shape)
        ours = lambda y, k: convolve_transpose(y, k, strides, padding, method)  # noqa: E731
        size = jax.eval_shape(ours, output, kernel)
        theirs = lambda y, k: jax.linear_transpose(lambda x: convolution(x, k), size)(y)[0]  # noqa: E731
        assert_same_function(ours, theirs, output, kernel)

    check()


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize(("kernel_size", "stride"), [(3, 1), (3, 2), (4, 2), (5, 3)])
def test_a_transposed_convolution_equals_that_of_lax(kernel_size, stride, padding):
    y = jax.random.normal(jax.random.key(0), (2, 4, 5, 3))
    kernel = jax.random.normal(jax.random.key(1), (kernel_size, kernel_size, 2, 3))
    strides = (stride, stride)
    theirs = lambda y, k: lax.conv_transpose(  # noqa: E731
        y, k, strides, padding, dimension_numbers=LAYOUT, transpose_kernel=True
    )
    assert_same_function(lambda y, k: convolve_transpose(y, k, strides, padding, "matmul"), theirs, y, kernel)


@pytest.mark.parametrize("transpose", [False, True])
def test_a_layer_is_the_same_either_way_and_under_vmap(transpose):
    x = jax.random.normal(jax.random.key(0), (4, 2, 6, 6, 3))
    layers = [Conv(5, 3, 2, "he_normal", transpose=transpose, method=method) for method in ("matmul", "native")]
    variables = jax.jit(jax.vmap(layers[0].init))(jax.random.split(jax.random.key(1), 4), x)
    outputs = [np.asarray(jax.jit(jax.vmap(layer.apply))(variables, x)) for layer in layers]
    assert outputs[0].shape == (4, 2, *((12, 12) if transpose else (3, 3)), 5)
    np.testing.assert_allclose(*outputs, rtol=1e-4, atol=1e-4)
    alone = jax.jit(layers[0].apply)(*jax.tree.map(lambda leaf: np.asarray(leaf)[2], (variables, x)))
    np.testing.assert_allclose(outputs[0][2], alone, rtol=1e-4, atol=1e-4)


def test_a_kernel_and_its_mirror_have_one_shape():
    x = jax.ShapeDtypeStruct((1, 8, 8, 3), np.float32)
    layer, mirror = Conv(6, 3, 2, "he_normal"), Conv(3, 3, 2, "he_normal", transpose=True)
    y, variables = jax.eval_shape(layer.init_with_output, jax.random.key(0), x)
    back, mirrored = jax.eval_shape(mirror.init_with_output, jax.random.key(1), y)
    assert back.shape == x.shape
    assert variables["params"]["kernel"].shape == mirrored["params"]["kernel"].shape


def test_the_default_method_is_the_faster_one_in_every_record():
    records = pathlib.Path(__file__).parents[2].glob("experiments/results/speed/conv*.json")
    compared = 0
    for path in records:
        record = json.loads(path.read_text())
        for case in record["cases"].values():
            medians = {name: np.median(row["values"]) for name, row in case["contenders"].items()}
            if {"aejax", "aejax, native convolutions"} <= set(medians):
                faster = "matmul" if medians["aejax"] > medians["aejax, native convolutions"] else "native"
                assert default_method(record["environment"]["backend"]) == faster, path
                compared += 1
    assert compared
