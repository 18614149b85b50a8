"""Our scores beside those that papers report of the same systems on the same recordings."""

from collections.abc import Sequence

from fusion.papers import Beside
from submission.report.rendering import render
from submission.report.sections import Section


def section(rows: Sequence[Beside]) -> Section | None:
    """None where nothing of the run was published."""
    if not rows:
        return None
    known = [one for one in rows if one.within is not None]
    within = sum(bool(one.within) for one in known)
    return Section("papers", "Papers", render("sections/papers", rows=rows, known=len(known), within=within))
