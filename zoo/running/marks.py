"""Marks of a run: what a reader of its numbers must know, and what each one means.

They are written into run.json by the command that makes them true, and never taken away. `evaluate`, `report` and `submit` all
say them with the words of this table.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum


class Mark(StrEnum):
    """The marks that asdzoo gives."""

    UNTRAINED = "untrained"
    TEST_CALIBRATED = "test-calibrated"
    TEST_RANKED = "test-ranked"
    RESUBSTITUTION = "resubstitution"
    PER_MACHINE = "per-machine"
    CUT = "cut"


MEANING = {
    Mark.UNTRAINED: "a system of this run was never trained: its scores say how the path works, not how well a system does",
    Mark.TEST_CALIBRATED: "scores are calibrated on test clips, which the rules of 2025 forbid",
    Mark.TEST_RANKED: "an ensemble of this run uses ranks among test clips, which the rules of 2025 forbid",
    Mark.RESUBSTITUTION: (
        "development machines are scored with fusion weights that saw their labels: these scores are too good"
    ),
    Mark.PER_MACHINE: (
        "an ensemble of this run weighs single machines by name: chosen with their truth, that is against the first-shot rule"
    ),
    Mark.CUT: "a time budget cut trainings of this run short or left systems out: these are not the systems of the papers",
}


def meaning(mark: str, cut: Sequence[str] = ()) -> str:
    """What a mark means, with what a budget `cut`, a few words for each system; "" for one that this version does not know."""
    details = f" ({', '.join(cut)})" if cut and mark == Mark.CUT else ""
    return MEANING[Mark(mark)] + details if mark in MEANING else ""


def sentences(marks: Iterable[str], cut: Sequence[str] = ()) -> list[str]:
    """One sentence a mark, for a warning."""
    return [f"this run is marked {mark}" + (f": {said}" if (said := meaning(mark, cut)) else "") for mark in marks]
