"""Weight vectors to try: the lattice of all vectors that are whole multiples of a step and sum to 1.

The lattice treats all systems alike and knows no labels, so one and the same set of candidates serves every fold of a
cross-validation. Its mean is the vector of equal weights.
"""

from itertools import combinations
from math import comb

import numpy as np

from fusion.metrics import Floats
from zoo.errors import AsdzooError

LARGEST = 1_000_000  # candidates
STEP = 0.05  # of the exhaustive grid search, the finest one tried


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
            "--method averaged, fewer --trials, or fewer --systems",
        )
    bars = np.array(list(combinations(range(steps + systems - 1), systems - 1)), dtype=np.int64)
    bars = bars.reshape(count, systems - 1)
    edges = np.pad(bars, ((0, 0), (1, 1)), constant_values=((0, 0), (-1, steps + systems - 1)))
    return np.asarray((np.diff(edges, axis=1) - 1) / steps)


def finest_lattice(systems: int, trials: int) -> Floats:
    """The finest lattice of at most `trials` vectors, but no finer than `STEP`.

    Raises: AsdzooError when even the corners, one system each, are more than `trials`.
    """
    if trials < systems:
        raise AsdzooError(f"{trials} trials cannot try {systems} systems", f"--trials {max(1000, 10 * systems)}")
    steps = max(steps for steps in range(1, round(1 / STEP) + 1) if comb(steps + systems - 1, systems - 1) <= trials)
    return lattice(systems, steps)


def rounded(weights: Floats, digits: int = 4) -> Floats:
    """`weights` (systems,) with few decimals, for people to read; the largest takes up the difference to a sum of 1."""
    result = np.round(weights, digits)
    largest = int(np.argmax(result))
    result[largest] = round(float(result[largest] + 1 - result.sum()), digits)
    return np.asarray(result)
