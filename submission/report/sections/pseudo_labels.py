"""Pseudo-labels that training made, and how many clips have each."""

from collections.abc import Mapping, Sequence

from submission.report.rendering import render
from submission.report.sections import Section
from zoo.running.pseudo_files import PseudoLabel


def section(labels: Mapping[str, Sequence[PseudoLabel]]) -> Section | None:
    """`labels` of each system; None where no system has any."""
    if not labels:
        return None
    rows = [(system, *part, sizes) for system, own in labels.items() for part, sizes in sizes_of(own).items()]
    return Section("pseudo-labels", "Pseudo-labels", render("sections/pseudo_labels", rows=rows))


def sizes_of(labels: Sequence[PseudoLabel]) -> dict[tuple[str, str, str, str], list[tuple[str, int]]]:
    """Clips of each label, the largest first, of each year, machine, section and domain."""
    counts: dict[tuple[str, str, str, str], dict[str, int]] = {}
    for one in labels:
        own = counts.setdefault((one.year, one.machine, one.section, one.domain), {})
        own[one.label] = own.get(one.label, 0) + 1
    return {part: sorted(own.items(), key=lambda size: (-size[1], size[0])) for part, own in sorted(counts.items())}
