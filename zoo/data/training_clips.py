"""Training clips from which nothing can be learnt are left out: silent, constant, and much shorter than the others.

A machine is not silent, and a recorder that was stopped at once has recorded no machine; as training clips they would pull
centres, densities and thresholds of the machine towards themselves. Test clips are all scored.
"""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from zoo.data.clip import Clip
from zoo.data.problems import Problem

SHORT = 0.1  # of the median length of the machine's training clips
NEVER_SHORT = 1.0  # seconds


def degenerate(
    seconds: Mapping[Clip, float], dead: Collection[Clip], problems: Sequence[Problem]
) -> tuple[set[Clip], list[Problem]]:
    """The training clips of a machine that are left out, and `problems` with what is said of them in place of what was.

    seconds: length of every usable clip of the machine. dead: those in which nothing changes in any channel.
    """
    training = {clip: length for clip, length in seconds.items() if clip.split == "train"}
    median = float(np.median(list(training.values()))) if training else 0.0
    left: dict[Clip, str] = {}
    for clip, length in training.items():
        if length < min(SHORT * median, NEVER_SHORT):
            left[clip] = f"lasts {length:.2g} s where others last {median:.2g} s, and is left out of training"
        elif clip in dead:
            left[clip] = "is silent or constant, and is left out of training"
    paths = {clip.path for clip in left}
    said = [problem for problem in problems if problem.path not in paths]
    said += [Problem("error", clip.path, sentence) for clip, sentence in left.items()]
    for clip, length in seconds.items():
        if clip.split == "test" and length < min(SHORT * median, NEVER_SHORT):
            said.append(Problem("warning", clip.path, f"lasts {length:.2g} s where training clips last {median:.2g} s"))
    return set(left), said
