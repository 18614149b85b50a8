"""Which members a search can weigh."""

import numpy as np

from fusion.combine import Stack
from zoo.errors import AsdzooError


def weighable(stacked: Stack) -> tuple[Stack, list[str]]:
    """Only the systems a search can weigh, with a sentence for each that is left out.

    A system without scores for some machine cannot be compared on it; one that gives every clip of a machine the same score,
    on all machines, says nothing.
    Raises: AsdzooError when no system is left.
    """
    notes, kept = [], []
    missing = stacked.missing()
    for system, scores in zip(stacked.systems, stacked.calibrated, strict=True):
        rows = stacked.clips.groupby(["machine", "section"]).indices.values()
        if system in missing:
            notes.append(f"{system} is left out: it has no scores for {', '.join(missing[system])}")
        elif all(np.ptp(scores[positions]) == 0 for positions in rows):
            notes.append(f"{system} is left out: it gives every clip of a machine the same score")
        else:
            kept.append(system)
    if not kept:
        raise AsdzooError(f"no system is left to fuse: {'; '.join(notes)}", "run `asdzoo train-all` again, or name systems")
    return stacked.of(kept), notes
