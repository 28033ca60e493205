"""Codebooks and grids by themselves: gradients, the nearest vector, vectors that move, levels there and back."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

from aejax.networks import grids, quantizers
from aejax.networks.quantizers import Codebook, Codebooks, Moving


def close(found, expected, rtol=1e-5):
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=1e-5)


def draw(*shape):
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def rotation(x, target):
    """The matrix that turns the direction of x to that of a target in the plane of both, and leaves all else."""
    start, end = (vector / np.linalg.norm(vector) for vector in (x, target))
    across = end - (start @ end) * start
    across = across / np.linalg.norm(across)
    angle = np.arccos(start @ end)
    plane = np.outer(start, start) + np.outer(across, across)
    return (
        np.eye(len(x))
        + (np.cos(angle) - 1) * plane
        + np.sin(angle) * (np.outer(across, start) - np.outer(start, across))
    )


def test_the_rotation_trick_has_the_jacobian_of_a_rotation_and_a_rescaling():
    x, target = draw(9, 5), draw(20, 5)[11:]
    x[6], target[7], x[8] = 1e-8, 0, -2 * target[8]  # Nothing to turn; the opposite, which no plane leads to.
    value, slope = jax.jit(
        lambda x: (quantizers.rotate(x, target), jax.vmap(jax.jacrev(quantizers.rotate))(x, target))
    )(x)
    np.testing.assert_array_equal(value, target)
    for row in range(6):
        own, to = x[row].astype(np.float64), target[row].astype(np.float64)
        close(slope[row], np.linalg.norm(to) / np.linalg.norm(own) * rotation(own, to))
    close(slope[6:8], np.stack([np.eye(5)] * 2))
    close(slope[8] @ x[8], target[8])
    close(slope[8].T @ slope[8], np.eye(5) / 4)


def test_the_nearest_vector_is_that_of_brute_force_and_of_equals_the_first():
    x, vectors = draw(3000, 5), draw(700, 5)[::-1]
    vectors = np.concatenate([vectors, vectors[:50]])
    distance = np.sum((x[:, None].astype(np.float64) - vectors[None]) ** 2, axis=2)
    found = np.asarray(jax.jit(quantizers.nearest)(x, vectors))
    np.testing.assert_array_equal(found, distance[:, :700].argmin(axis=1))
    assert jax.jit(quantizers.nearest)(x * np.nan, vectors).max() < 750


def test_a_codebook_follows_the_averages_of_counts_and_sums():
    """Van den Oord et al. (2017), appendix A.1, with the paper's own two averages kept in numpy."""
    vectors, decay = draw(6, 3), 0.9
    codebook = Codebook(vectors, np.ones(6, np.float32))
    number, total = np.ones(6), vectors.astype(np.float64)
    for step in range(4):
        x = np.random.default_rng(step).normal(size=(30, 3)).astype(np.float32)
        index = np.random.default_rng(step).integers(0, 5, 30)  # Never the last.
        codebook = jax.jit(quantizers.follow)(codebook, x, index, decay)
        hot = np.eye(6)[index]
        number = decay * number + (1 - decay) * hot.sum(axis=0) * 6 / 30
        total = decay * total + (1 - decay) * hot.T @ x * 6 / 30
    close(codebook.usage, number)
    close(codebook.vectors, total / number[:, None])
    np.testing.assert_array_equal(np.asarray(codebook.vectors)[5], vectors[5])
    means = np.asarray(jax.jit(quantizers.follow)(codebook, x, index, 0.0).vectors)
    close(means[:5], np.stack([x[index == code].mean(axis=0) for code in range(5)]))


def test_what_is_hardly_used_is_replaced_with_what_has_an_error():
    x, error = draw(10, 3), np.array([0, 0, 1, 0, 4, 0, 0, 0, 0, 0.5], np.float32)
    codebook = Codebook(draw(400, 3)[::-1], np.float32(np.where(np.arange(400) < 300, 0.05, 2.0)))
    revived = jax.device_get(jax.jit(quantizers.revive)(codebook, x, error, 0.1, jax.random.key(0)))
    np.testing.assert_array_equal(revived.vectors[300:], codebook.vectors[300:])
    np.testing.assert_array_equal(revived.usage, np.where(np.arange(400) < 300, np.float32(0.2), 2.0))
    row = np.argmax(np.all(np.asarray(revived.vectors)[:300, None] == x[None], axis=2), axis=1)
    share = np.bincount(row, minlength=10) / 300
    assert np.all((share > 0) == (error > 0))
    assert np.abs(share - error / error.sum()).max() < 0.1
    everyone = jax.jit(quantizers.revive)(codebook, x, 0 * error, 0.0, jax.random.key(0))
    np.testing.assert_array_equal(everyone.vectors, codebook.vectors)


def quantize(model, variables, x, *, train, levels=None):
    call = lambda variables, x: model.apply(  # noqa: E731
        variables,
        x,
        train=train,
        levels=levels,
        method="quantize",
        mutable=["codebook"],
        rngs={"noise": jax.random.key(0)},
    )
    return jax.jit(call)(variables, x)


def residual(x, codebooks):
    """The codes of x [n, width], and for each codebook the sum of the vectors so far and the squared error left."""
    rest, codes, total, error = x.astype(np.float64), [], [], []
    for vectors in codebooks:
        codes.append(np.sum((rest[:, None] - vectors[None]) ** 2, axis=2).argmin(axis=1))
        rest = rest - vectors[codes[-1]]
        total.append(x - rest)
        error.append(np.sum(rest**2, axis=1))
    return np.stack(codes, axis=1), np.stack(total), np.stack(error)


def test_each_codebook_quantizes_what_those_before_it_leave_and_pays_for_it():
    x = draw(20, 4)
    vectors = draw(3, 4, 4)
    variables = {"codebook": {"vectors": vectors, "usage": np.ones((3, 4), np.float32)}}
    model = Codebooks(depth=3, size=4, width=4, moving=Moving(0.99, 0.1))
    found, after = quantize(model, variables, x, train=False)
    codes, total, error = residual(x, vectors)
    np.testing.assert_array_equal(found.indices, codes)
    close(found.vectors, total[-1])
    close(found.commitment, error.sum(axis=0))
    close(found.distance, error.sum(axis=0))
    for before, now in zip(jax.tree.leaves(variables), jax.tree.leaves(after), strict=True):
        np.testing.assert_array_equal(before, now)
    _, after = quantize(model, variables, x, train=True)
    assert all(np.all(np.any(after["codebook"]["vectors"][level] != vectors[level])) for level in range(3))


def test_each_group_quantizes_its_part_of_the_numbers_and_the_first_codebooks_may_be_all():
    x, vectors = draw(20, 6), draw(4, 5, 3)
    levels = np.arange(20) % 2 + 1
    model = Codebooks(depth=2, size=5, width=6, groups=2)
    found, _ = quantize(model, {"params": {"vectors": vectors}}, x, train=True, levels=levels)
    groups = [residual(x[:, :3], vectors[:2]), residual(x[:, 3:], vectors[2:])]
    codes, total, error = (np.concatenate(parts, axis=-1) for parts in zip(*groups, strict=True))
    np.testing.assert_array_equal(found.indices, codes)
    close(found.vectors, total[levels - 1, np.arange(20)])
    close(found.commitment, error.sum(axis=0).reshape(2, 20).sum(axis=0))
    look_up = jax.jit(lambda variables, codes: model.apply(variables, codes, method="look_up"))
    close(look_up({"params": {"vectors": vectors}}, codes), total[-1])


def test_codes_of_few_numbers_and_length_one_are_those_of_numpy():
    x, vectors, to_code, from_code = draw(30, 6), draw(2, 5, 2), draw(6, 4), draw(4, 6)
    params = {"to_code": to_code, "from_code": from_code}
    model = Codebooks(depth=1, size=5, width=6, groups=2, code_width=4, on_spheres=True, moving=Moving(0.9, None))
    variables = {"params": params, "codebook": {"vectors": vectors, "usage": np.ones((2, 5), np.float32)}}
    found, after = quantize(model, variables, x, train=True)

    def divided(vectors):
        return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)

    z, e = divided((x.astype(np.float64) @ to_code).reshape(30, 2, 2)), divided(vectors.astype(np.float64))
    code = np.einsum("ngw,gsw->ngs", z, e).argmax(axis=2)
    chosen = np.stack([e[group][code[:, group]] for group in range(2)], axis=1)
    np.testing.assert_array_equal(found.indices, code)
    close(found.vectors, chosen.reshape(30, 4) @ from_code)
    close(found.commitment, np.sum((z - chosen) ** 2, axis=(1, 2)))
    for group in range(2):  # Van den Oord et al. (2017), appendix A.1, and back to the circle.
        hot = np.eye(5)[code[:, group]] * 5 / 30
        moved = (0.9 * e[group] + 0.1 * hot.T @ z[:, group]) / (0.9 + 0.1 * hot.sum(axis=0))[:, None]
        close(after["codebook"]["vectors"][group], divided(moved))


def test_a_frozen_codebook_with_the_identity_for_a_basis_is_one_that_learns():
    x, vectors, weight = draw(20, 4), draw(1, 8, 4), draw(20, 4)[::-1]

    def loss(codebooks, variables, x):
        found = codebooks.apply(variables, x, method="quantize")
        return jnp.sum(found.vectors * weight) + jnp.sum(found.commitment + 2 * found.distance), found

    def results(has_basis, variables):
        codebooks = Codebooks(depth=1, size=8, width=4, has_basis=has_basis)
        differentiate = jax.value_and_grad(lambda variables, x: loss(codebooks, variables, x), (0, 1), has_aux=True)
        return jax.device_get(jax.jit(differentiate)(variables, x))

    identity = np.eye(4, dtype=np.float32)[None]
    (_, plain), (of_plain, to_plain) = results(False, {"params": {"vectors": vectors}})
    (_, frozen), (of_frozen, to_frozen) = results(
        True, {"params": {"basis": identity}, "codebook": {"vectors": vectors}}
    )
    for expected, found in zip((*plain, to_plain), (*frozen, to_frozen), strict=True):
        np.testing.assert_array_equal(found, expected)
    close(of_frozen["params"]["basis"][0], vectors[0].T @ of_plain["params"]["vectors"][0])


def test_orthogonality_is_that_of_the_matrix_of_all_cosines():
    vectors = draw(2, 7, 3)
    codebooks = Codebooks(depth=2, size=7, width=3)
    found = jax.jit(lambda: codebooks.apply({"params": {"vectors": vectors}}, method="orthogonality"))()
    directions = vectors / np.linalg.norm(vectors, axis=2, keepdims=True)
    cosine = np.einsum("dsw,dtw->dst", directions, directions)
    close(found, np.sum((cosine - np.eye(7)) ** 2) / 49)


def test_65536_vectors_are_searched_fitted_and_taught_in_memory_for_none_of_the_squares():
    """Of 8,192 x and all vectors a matrix would have 2 GiB, that of all cosines of the vectors 16."""
    moving = Codebooks(depth=1, size=2**16, width=8, moving=Moving(0.99, 0.1))
    learning = Codebooks(depth=1, size=2**16, width=8, on_spheres=True, gradient="rotation")

    def step(variables, x):
        collections, rngs = ["params", "codebook"], {"noise": jax.random.key(0)}

        def loss(params):
            found = learning.apply({"params": params}, x, train=True, method="quantize")
            return jnp.sum(found.distance) + learning.apply({"params": params}, method="orthogonality")

        _, fitted = moving.apply(variables, x, num_iterations=2, method="fit", mutable=collections)
        moved = moving.apply(fitted, x, train=True, method="quantize", mutable=collections, rngs=rngs)
        return moved, jax.grad(loss)({"vectors": variables["codebook"]["vectors"]})

    shape = {
        "vectors": jax.ShapeDtypeStruct((1, 2**16, 8), np.float32),
        "usage": jax.ShapeDtypeStruct((1, 2**16), np.float32),
    }
    x = jax.ShapeDtypeStruct((8192, 8), np.float32)
    memory = jax.jit(step).lower({"codebook": shape}, x).compile().memory_analysis()
    assert memory.temp_size_in_bytes < 2**26


@pytest.mark.parametrize("on_spheres", [False, True])
def test_what_codebooks_give_and_teach_is_finite_of_extremes(on_spheres):
    x = np.array([0, 1e-30, 1e-7, 1e4, 1e15], np.float32)[:, None] * draw(5, 4)
    vectors = np.concatenate([np.zeros((1, 1, 4)), draw(1, 6, 4)], axis=1).astype(np.float32)
    codebooks = Codebooks(depth=1, size=7, width=4, on_spheres=on_spheres, gradient="rotation")

    def loss(params, x):
        found = codebooks.apply({"params": params}, x, method="quantize")
        return jnp.sum(found.vectors + found.commitment[:, None] + found.distance[:, None])

    found = jax.jit(jax.value_and_grad(loss, (0, 1)))({"vectors": vectors}, x)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found))


@pytest.mark.parametrize("levels", [(2, 3, 4, 5), (8, 7), (2,)])
def test_finite_scalars_reach_every_level_and_every_code_comes_back(levels):
    size = int(np.prod(levels))

    @jax.jit
    def there_and_back(index):
        vectors = grids.index_to_levels(index, levels)
        return vectors, grids.levels_to_index(vectors, levels)

    vectors, index = jax.device_get(there_and_back(np.arange(size)))
    np.testing.assert_array_equal(index, np.arange(size))
    assert len(np.unique(vectors, axis=0)) == size
    assert np.abs(vectors).max() == 1
    line = np.concatenate([[-1e4], np.linspace(-5, 5, 2001), [1e4]]).astype(np.float32)
    quantize_levels = jax.jit(lambda x: grids.quantize_levels(x, levels))
    found = np.asarray(quantize_levels(np.tile(line[:, None], (1, len(levels)))))
    for column, number in enumerate(levels):
        close(np.unique(found[:, column]), (np.arange(number) - number // 2) / (number // 2))
        assert np.all(np.diff(found[:, column]) >= 0)
    # About where the paper has 0: between the lower and the upper half of the levels.
    bounded = jax.jit(lambda x: grids.bound_levels(x, levels))(np.zeros((1, len(levels)), np.float32))
    assert np.abs(bounded).max() < 0.05


def test_the_entropies_of_signs_are_those_of_all_codes():
    logit = 2 * draw(7, 5)
    rate = scipy.special.expit(logit.astype(np.float64))
    every = np.array(list(itertools.product([0, 1], repeat=5)))
    joint = np.prod(np.where(every[None] == 1, rate[:, None], 1 - rate[:, None]), axis=2)
    each, mean = jax.jit(grids.sign_entropies)(logit)
    close(each, scipy.stats.entropy(joint, axis=1))
    close(mean, scipy.stats.entropy(joint.mean(axis=0)))
    total = lambda logit: sum(jnp.sum(part) for part in grids.sign_entropies(logit))  # noqa: E731
    slopes = jax.jit(jax.grad(total))(logit * 1e4)
    assert np.isfinite(slopes).all()
