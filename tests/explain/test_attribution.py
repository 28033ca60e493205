import jax
import jax.numpy as jnp
import numpy as np

from aejax.explain import attribution

rng = np.random.default_rng(0)
IMAGE = rng.uniform(size=(3, 6, 5, 2)).astype(np.float32)
BASELINE = rng.uniform(size=(6, 5, 2)).astype(np.float32)
WEIGHTS = rng.normal(size=(2, 6, 5, 2)).astype(np.float32)
TARGET = np.asarray([1, 0, 1])
OWN = np.sum(WEIGHTS[TARGET] * (IMAGE - BASELINE[None]), axis=-1)

edges = jax.jit(attribution.edges)
integrated_gradients = jax.jit(attribution.integrated_gradients, static_argnums=(0, 4))
occlusion = jax.jit(attribution.occlusion, static_argnums=0, static_argnames=("side", "stride"))
smooth_grad = jax.jit(attribution.smooth_grad, static_argnums=0, static_argnames="draws")


def linear(image, target):
    return jnp.sum(jnp.asarray(WEIGHTS)[target] * image, axis=(1, 2, 3)) + 3


@jax.jit
def network(image, target):
    """Of ReLUs, so that its gradient jumps."""
    first, second = jax.random.split(jax.random.key(0))
    hidden = jax.nn.relu((image.reshape(len(image), -1) - 0.5) @ jax.random.normal(first, (60, 40)))
    return jnp.sum(hidden * jax.random.normal(second, (2, 40))[target], axis=1)


def test_of_a_linear_function_gradients_give_each_pixel_its_own():
    for method in (integrated_gradients, smooth_grad):
        np.testing.assert_allclose(method(linear, IMAGE, TARGET, BASELINE), OWN, atol=1e-4)


def test_integrated_gradients_of_a_product_share_it_evenly():
    product = lambda image, target: image[:, 0, 0, 0] * image[:, 1, 1, 0]  # noqa: E731
    found = np.asarray(integrated_gradients(product, IMAGE, TARGET, np.zeros_like(BASELINE)))
    half = product(IMAGE, TARGET) / 2
    np.testing.assert_allclose(found[:, 0, 0], half, rtol=1e-4)
    np.testing.assert_allclose(found[:, 1, 1], half, rtol=1e-4)
    np.testing.assert_allclose(np.sum(np.abs(found), axis=(1, 2)), 2 * half, rtol=1e-4)


def test_integrated_gradients_of_a_network_add_up_the_better_the_more_steps():
    blank = np.broadcast_to(BASELINE[None], IMAGE.shape)
    change = np.asarray(network(IMAGE, TARGET)) - network(blank, TARGET)
    gap = lambda steps: np.abs(  # noqa: E731
        np.asarray(integrated_gradients(network, IMAGE, TARGET, BASELINE, steps)).sum(axis=(1, 2)) - change
    )
    assert np.abs(change).min() > 0.05
    assert np.all(gap(1000) < 0.01 * np.abs(change))
    assert gap(4).mean() > 10 * gap(1000).mean()


def test_smooth_gradients_are_means_over_noise():
    """Of x² the gradient is linear, so noise cancels in the mean; of |x| near 0 its sign is averaged."""
    image = np.zeros((1, 4, 4, 1), np.float32)
    image[0, 0, 0], image[0, 1, 1] = 1, 0.1
    target, blank = np.zeros(1, np.int32), np.zeros((4, 4, 1), np.float32)
    square, size = (
        np.asarray(smooth_grad(lambda x, _, of=of: jnp.sum(of(x), axis=(1, 2, 3)), image, target, blank, draws=1000))
        for of in (jnp.square, jnp.abs)
    )
    np.testing.assert_allclose(square[0, 0, 0], 2.0, rtol=0.02)
    np.testing.assert_allclose(size[0, 0, 0], 1.0)
    np.testing.assert_allclose(size[0, 1, 1], 0.1 * (2 * 0.7475 - 1), atol=0.01)  # 0.1 is 2/3 deviations from 0.


def test_occlusion_of_a_linear_function_by_loops():
    image, target = IMAGE[:1], TARGET[:1]
    total, number = np.zeros((6, 5)), np.zeros((6, 5))
    for top in range(-2, 6, 2):
        for left in range(-2, 5, 2):
            rows, columns = slice(max(top, 0), top + 3), slice(max(left, 0), left + 3)
            total[rows, columns] += OWN[0, rows, columns].sum()
            number[rows, columns] += 1
    found = occlusion(linear, image, target, BASELINE, side=3, stride=2)
    np.testing.assert_allclose(np.asarray(found)[0], total / number, atol=1e-4)


def test_squares_of_one_pixel_give_each_pixel_its_own():
    np.testing.assert_allclose(occlusion(linear, IMAGE, TARGET, BASELINE, side=1, stride=1), OWN, atol=1e-4)


def test_edges_are_where_the_image_changes():
    image = np.zeros((1, 6, 6, 1), np.float32)
    image[:, :, 3:] = 1
    np.testing.assert_array_equal(np.asarray(edges(image))[0], np.tile([0, 0, 0.5, 0.5, 0, 0], (6, 1)))


def test_edges_of_a_single_row_are_along_it_and_a_single_pixel_has_none():
    row = np.asarray([0, 1, 0, 0], np.float32)[None, None, :, None]
    along = np.asarray(edges(row))[0, 0]
    np.testing.assert_allclose(along, [1, 0, 0.5, 0])
    np.testing.assert_allclose(along, np.asarray(edges(row.transpose(0, 2, 1, 3)))[0, :, 0])
    assert edges(row[:, :, 1:2]).item() == 0
