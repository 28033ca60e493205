import jax
import jax.numpy as jnp

from aejax.networks.convolution import convolve
from aejax.training.flops import matmul_flops


def test_a_convolution_counts_the_same_either_way():
    x, kernel = jnp.ones((2, 8, 8, 3)), jnp.ones((3, 3, 3, 5))
    for method in ("matmul", "native"):
        count = matmul_flops(lambda x, k: convolve(x, k, (2, 2), "SAME", method), x, kernel)  # noqa: B023
        assert count == 2 * (2 * 4 * 4 * 5) * (3 * 3 * 3)


def test_a_scan_counts_as_often_as_it_runs():
    def loop(x):
        return jax.lax.scan(lambda carry, _: (carry @ carry, None), x, length=7)[0]

    assert matmul_flops(loop, jnp.zeros((5, 5))) == 7 * 2 * 5**3


def test_products_inside_of_jitted_functions_and_branches_count():
    import jax

    square = jax.jit(lambda x: x @ x)
    x = jnp.ones((4, 4))
    assert matmul_flops(lambda x: square(square(x)), x) == 2 * 2 * 4**3
