"""Training scores that stand apart: a door that slammed once must not move the scale or the threshold of a machine.

Where no score stands apart, all are ordinary, and statistics over them are the plain ones to the last digit. A tail is no
reason to leave anything out: machines have states, and the few clips of another domain lie far away as a group.
"""

import numpy as np
from numpy.typing import NDArray

FAR = 8.0  # robust standard deviations (1.4826 * median absolute deviation) from the median
GAP = 4.0  # times as far from the median as the next score
SHARE = 0.1  # of the scores stand apart at most
FEWEST = 10  # scores below which nobody can say what is ordinary


def ordinary(scores: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of the scores `(n,)` are ordinary: all but a few that are far away, with a gap between them and all others."""
    whole = np.ones(len(scores), dtype=np.bool_)
    if len(scores) < FEWEST:
        return whole
    distances = np.abs(scores - np.median(scores))
    ordered = np.sort(distances)
    far = FAR * 1.4826 * float(np.median(distances))
    most = int(SHARE * len(scores))
    for first in range(len(scores) - most, len(scores)):  # where the gap may be, the innermost first
        if ordered[first] > far > 0 and ordered[first] > GAP * ordered[first - 1]:
            return np.asarray(distances < ordered[first])
    return whole
