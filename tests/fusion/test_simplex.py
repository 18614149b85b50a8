"""Points of the cube as weights, and the lattice."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import gamma, qmc

from fusion.simplex import ACTIVE, lattice, on_simplex, rounded, starts
from zoo.errors import AsdzooError


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 40).flatmap(lambda systems: hnp.arrays(np.float64, (3, systems), elements=st.floats(0, 0.9999))))
def test_every_point_of_the_cube_is_a_weight_vector(cube: np.ndarray) -> None:
    weights = on_simplex(cube)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    assert (weights >= 0).all()
    order = np.random.default_rng(0).permutation(cube.shape[1])
    np.testing.assert_allclose(on_simplex(cube[:, order]), weights[:, order], atol=1e-12)


@pytest.mark.parametrize("systems", [1, 2, 5, 24, 40])
def test_the_starts_are_equal_weights_and_each_system_alone(systems: int) -> None:
    expected = np.concatenate([np.full((1, systems), 1 / systems), np.eye(systems)])[: systems + 1 if systems > 1 else 1]
    np.testing.assert_allclose(on_simplex(starts(systems)), expected, atol=1e-15)
    np.testing.assert_allclose(on_simplex(np.zeros((1, systems))), 1 / systems)


@pytest.mark.parametrize("systems", [3, 12, 40])
def test_uniform_points_are_dirichlet_weights(systems: int) -> None:
    """Mean 1 / k and variance (k - 1) / (k² (k a + 1)) of a Dirichlet distribution with concentration a."""
    weights = on_simplex(qmc.Sobol(systems, seed=0).random(4096))
    concentration = min(1.0, ACTIVE / systems)
    np.testing.assert_allclose(weights.mean(axis=0), 1 / systems, rtol=0.05)
    expected = (systems - 1) / (systems**2 * (systems * concentration + 1))
    np.testing.assert_allclose(weights.var(axis=0).mean(), expected, rtol=0.05)
    point = np.array([[0.3, 0.9, 0.5]])
    quantiles = gamma.ppf(point, 1.0)
    np.testing.assert_allclose(on_simplex(point), quantiles / quantiles.sum())


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 6), st.integers(1, 8))
def test_lattice_is_all_of_the_simplex_and_treats_systems_alike(systems: int, steps: int) -> None:
    weights = lattice(systems, steps)
    assert len(np.unique(weights, axis=0)) == len(weights)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    np.testing.assert_allclose(weights.mean(axis=0), 1 / systems)
    assert (weights >= 0).all()


def test_lattice_of_the_paper() -> None:
    assert len(lattice(5, 20)) == 10626
    with pytest.raises(AsdzooError, match=r"10 systems have 10015005 weight vectors of step 0\.05"):
        lattice(10, 20)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=6))
def test_rounded_weights_still_sum_to_one(values: list[float]) -> None:
    weights = rounded(np.array(values) / sum(values))
    assert abs(weights.sum() - 1) < 1e-12
    assert (weights >= 0).all()
