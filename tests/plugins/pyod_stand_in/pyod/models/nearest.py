"""A detector with PyOD's interface: fit(X), decision_function(X), larger is more anomalous."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


class Nearest:
    """Distance to the nearest training point."""

    def fit(self, X: NDArray[Any], y: None = None) -> Self:
        self.X = X
        return self

    def decision_function(self, X: NDArray[Any]) -> NDArray[Any]:
        return np.array([np.linalg.norm(self.X - row, axis=1).min() for row in X])
