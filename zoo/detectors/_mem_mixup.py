"""MemMixup: the target domain's references are extended by mixtures of each target clip with the source clips nearest to it.

Source: GenRep (Saengthong & Shinozaki, DCASE 2024 Task 2): lambda t + (1 - lambda) s with lambda 0.9, 990 mixtures for 10
target clips, that is the 99 nearest source clips of each. Mixed is what the detector compares: directions, for the cosine.
"""

import numpy as np
from pydantic import Field

from zoo.config import Frozen
from zoo.detectors._arrays import directions
from zoo.detectors._banks import Bank
from zoo.detectors._compared import Compared


class MemMixupConfig(Frozen):
    """Extend the target domain by mixtures with the source domain."""

    share: float = Field(default=0.9, gt=0, le=1)  # lambda, of the target clip
    neighbors: int = Field(default=99, ge=1)  # source clips that each target clip is mixed with; all, where there are fewer


def mixed(source: Bank, target: Bank, config: MemMixupConfig, clips: Compared) -> Bank:
    """The target bank with its mixtures behind it; `clips` are those of the fit, compared with themselves.

    The source clip after the last neighbour gives a spare: it counts when one of the neighbours is left out of the fit, so that
    the scores of left-out clips are those of a fit without them.
    """
    squares, which = clips.nearest(source, config.neighbors + 1, rows=target.parents[:, 0])
    order = np.lexsort((which, squares), axis=1)
    which = np.take_along_axis(which, order, axis=1)
    count = which.shape[1]
    first, second = np.repeat(np.arange(len(target.points)), count), which.ravel()
    points = config.share * target.points[first] + (1 - config.share) * source.points[second]
    return Bank(
        np.vstack([target.points, points]),
        np.vstack([target.parents, np.stack([target.parents[first, 0], source.parents[second, 0]], axis=1)]),
        np.concatenate(
            [np.zeros(len(target.points), dtype=bool), np.tile(np.arange(count) >= config.neighbors, len(target.points))]
        ),
        np.repeat([[1.0, 0.0], [config.share, 1 - config.share]], [len(target.points), len(points)], axis=0),
    )


def on_directions(bank: Bank) -> Bank:
    """The same of directions: a mixture of two is made a direction again."""
    mixtures = ~bank.clips
    points = bank.points.copy()
    points[mixtures] = directions(bank.points[mixtures, :-1])
    lengths = np.where(mixtures, np.linalg.norm(bank.points[:, :-1], axis=1), 1.0)
    if bank.shares is None or bank.points[:, -1].any() or not lengths.all():  # of a zero vector there is no direction
        return bank.placed(points)
    return Bank(points, bank.parents, bank.spares, bank.shares / lengths[:, None])
