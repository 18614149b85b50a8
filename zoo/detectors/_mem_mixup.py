"""MemMixup: the target domain's references are extended by mixtures of each target clip with the source clips nearest to it.

Source: GenRep (Saengthong & Shinozaki, DCASE 2024 Task 2): lambda t + (1 - lambda) s with lambda 0.9, 990 mixtures for 10
target clips, that is the 99 nearest source clips of each. Mixed is what the detector compares: directions, for the cosine.
"""

import numpy as np
from pydantic import Field

from zoo.config import Frozen
from zoo.detectors._banks import Bank, nearest


class MemMixupConfig(Frozen):
    """Extend the target domain by mixtures with the source domain."""

    share: float = Field(default=0.9, gt=0, le=1)  # lambda, of the target clip
    neighbors: int = Field(default=99, ge=1)  # source clips that each target clip is mixed with; all, where there are fewer


def mixed(source: Bank, target: Bank, config: MemMixupConfig) -> Bank:
    """The target bank with its mixtures behind it.

    The source clip after the last neighbour gives a spare: it counts when one of the neighbours is left out of the fit, so that
    the scores of left-out clips are those of a fit without them.
    """
    squares, which = nearest(target.points, source, config.neighbors + 1)
    order = np.lexsort((which, squares), axis=1)
    which = np.take_along_axis(which, order, axis=1)
    clips = np.repeat(np.arange(len(target.points)), which.shape[1])
    points = config.share * target.points[clips] + (1 - config.share) * source.points[which.ravel()]
    parents = np.stack([target.parents[clips, 0], source.parents[which.ravel(), 0]], axis=1)
    spares = np.tile(np.arange(which.shape[1]) >= config.neighbors, len(target.points))
    return Bank(
        np.vstack([target.points, points]),
        np.vstack([target.parents, parents]),
        np.concatenate([np.zeros(len(target.points), dtype=bool), spares]),
    )
