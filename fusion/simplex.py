"""Weight vectors: points of the unit cube as weights that sum to 1, and the lattice of all vectors of a step.

A sampler proposes a number in 0..1 for each system. Taken as the probability of a gamma variable, whose quantiles are then
divided by their sum, uniform numbers become a Dirichlet distribution: every mixture can be reached, single systems included,
and all systems are treated alike. With many systems the uniform distribution over the simplex (concentration 1) holds nothing
but nearly equal mixtures, so the concentration falls such that about `ACTIVE` systems carry a candidate.
"""

from itertools import combinations
from math import comb

import numpy as np
from scipy import special

from fusion.metrics import Floats
from zoo.errors import AsdzooError

LARGEST = 1_000_000  # vectors of a lattice
STEP = 0.05  # of the exhaustive grid search
ACTIVE = 6.0  # tests/bench/bench_fusion.py: 4 to 8 are alike at 5, 12, 24 and 40 systems


def on_simplex(cube: Floats) -> Floats:
    """Points of the unit cube as weight vectors, (candidates, systems) -> the same shape.

    A number of 0 is a weight of 0; a point of zeros only stands for equal weights.

    >>> on_simplex(np.array([[0.5, 0.5], [0.0, 0.3]])).tolist()
    [[0.5, 0.5], [0.0, 1.0]]
    """
    systems = cube.shape[1]
    parts = special.gammaincinv(min(1.0, ACTIVE / systems), cube)
    total = parts.sum(axis=1, keepdims=True)
    return np.asarray(np.where(total > 0, parts / np.where(total > 0, total, 1), 1 / systems))


def starts(systems: int) -> Floats:
    """Points of the cube that every search begins with, (systems + 1, systems): equal weights, and each system alone."""
    points: Floats = np.concatenate([np.full((1, systems), 0.5), 0.5 * np.eye(systems)])
    return points[:1] if systems == 1 else points


def lattice(systems: int, steps: int) -> Floats:
    """All weight vectors of `systems` entries that are multiples of 1 / `steps`, (candidates, systems).

    Raises: AsdzooError for more than `LARGEST` of them.

    >>> lattice(2, 2).tolist()
    [[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]]
    """
    count = comb(steps + systems - 1, systems - 1)
    if count > LARGEST:
        raise AsdzooError(
            f"{systems} systems have {count} weight vectors of step {1 / steps:g}, at most {LARGEST} are tried",
            "--method averaged, or fewer --systems",
        )
    bars = np.array(list(combinations(range(steps + systems - 1), systems - 1)), dtype=np.int64)
    bars = bars.reshape(count, systems - 1)
    edges = np.pad(bars, ((0, 0), (1, 1)), constant_values=((0, 0), (-1, steps + systems - 1)))
    return np.asarray((np.diff(edges, axis=1) - 1) / steps)


def rounded(weights: Floats, digits: int = 4) -> Floats:
    """`weights` (systems,) with few decimals, for people to read; the largest takes up the difference to a sum of 1."""
    result = np.round(weights, digits)
    largest = int(np.argmax(result))
    result[largest] = round(float(result[largest] + 1 - result.sum()), digits)
    return np.asarray(result)
