"""SMOTE before detection: the 10 target clips are balanced with the 990 source clips [T24 2.3-2.5].

Chawla et al., JAIR 2002: a synthetic point lies on the line between a clip and one of its nearest neighbours of the same
domain. The embeddings are interpolated as they are, before any length normalisation (T24 is silent).
"""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from zoo.config import Frozen
from zoo.detectors import FloatArray
from zoo.detectors._arrays import canonical_order


class SmoteConfig(Frozen):
    """Balance the target domain with the source domain."""

    neighbors: int = Field(
        default=5, ge=1
    )  # among which the other end of a line is drawn; fewer where the domain has fewer clips


def oversample(target: FloatArray, count: int, config: SmoteConfig, seed: int) -> tuple[FloatArray, NDArray[np.intp]]:
    """Synthetic points that bring `target` (n, dim), n >= 2, to `count` > n points: (count - n, dim), and their two parents.

    The parents are rows of `target`, (count - n, 2), so that who leaves a clip out can leave out what was made from it.
    The result depends on the points but not on their order.
    """
    from imblearn.over_sampling import SMOTE
    from sklearn.neighbors import NearestNeighbors

    n, dim = target.shape
    order = canonical_order(target)
    # imbalanced-learn does not say which two clips a point lies between. One-hot columns beside the embedding are interpolated
    # with it and do say; a weight of zero keeps them out of the search for neighbours.
    marked = np.hstack([target[order], np.eye(n)])
    neighbors = NearestNeighbors(
        n_neighbors=min(config.neighbors, n - 1) + 1,  # imbalanced-learn drops the nearest one: the clip itself
        algorithm="brute",
        metric="minkowski",
        metric_params={"w": np.repeat([1.0, 0.0], [dim, n])},
    )
    smote = SMOTE(sampling_strategy={1: count}, k_neighbors=neighbors, random_state=seed)
    majority = np.zeros((count, dim + n))  # it is only counted
    points, _ = smote.fit_resample(np.vstack([majority, marked]), np.repeat([0, 1], [count, n]))
    new = points[count + n :]
    between = new[:, dim:] > 0
    first, last = between.argmax(axis=1), n - 1 - between[:, ::-1].argmax(axis=1)
    return new[:, :dim], order[np.stack([first, last], axis=1)]
