"""What a clip's reconstruction errors come to: all that scores of mean squared error and Mahalanobis distance need of them.

The error of a vector of several frames is cut into one block for each frame. Of all blocks of a clip are kept their mean
(bins), the mean of their outer products (its upper triangle, bins (bins + 1) / 2), and how many blocks and vectors there were.
Sums over clips follow from these, and so does the sum without one clip.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.errors import AsdzooError


def moments_dim(bins: int) -> int:
    """How many numbers are kept of a clip."""
    return bins + bins * (bins + 1) // 2 + 2


def error_moments(errors: Tensor, bins: int) -> Tensor:
    """Errors (vectors, frames x bins) of one clip -> (moments_dim,), float32; sums are float64."""
    blocks = errors.reshape(-1, bins).double()
    second = blocks.mT @ blocks / len(blocks)
    upper = torch.triu_indices(bins, bins, device=errors.device)
    counts = blocks.new_tensor([len(blocks), len(errors)])
    return torch.cat([blocks.mean(0), second[upper[0], upper[1]], counts]).float()


@dataclass(frozen=True)
class ErrorMoments:
    """The moments of some clips; float64.

    mean     (n, bins)
    second   (n, bins (bins + 1) / 2), the upper triangle of the mean outer products, not about the mean
    blocks   (n,)
    vectors  (n,)
    """

    mean: NDArray[np.float64]
    second: NDArray[np.float64]
    blocks: NDArray[np.float64]
    vectors: NDArray[np.float64]

    @classmethod
    def of(cls, embeddings: NDArray[Any]) -> Self:
        """From embeddings (n, moments_dim). Raises: AsdzooError when they are something else."""
        dim = embeddings.shape[1]
        bins = (math.isqrt(8 * dim - 7) - 3) // 2
        if bins < 1 or moments_dim(bins) != dim:
            raise AsdzooError(f"embeddings of {dim} numbers are no moments of errors", "use them of the model autoencoder")
        values = np.asarray(embeddings, np.float64)
        return cls(values[:, :bins], values[:, bins:-2], values[:, -2], values[:, -1])

    def take(self, rows: Sequence[int] | NDArray[np.intp]) -> "ErrorMoments":
        """Those of some of the clips."""
        return ErrorMoments(self.mean[rows], self.second[rows], self.blocks[rows], self.vectors[rows])

    @property
    def mean_square(self) -> NDArray[np.float64]:
        """Mean squared error of each clip (n,)."""
        bins = self.mean.shape[1]
        rows, columns = np.triu_indices(bins)
        squares: NDArray[np.float64] = self.second[:, rows == columns].sum(axis=1) / bins
        return squares


def symmetric(triangle: NDArray[np.floating], bins: int) -> NDArray[np.float64]:
    """The matrix (bins, bins) of an upper triangle (bins (bins + 1) / 2,)."""
    matrix = np.empty((bins, bins))
    rows, columns = np.triu_indices(bins)
    matrix[rows, columns] = matrix[columns, rows] = triangle
    return matrix
