"""The official score, by the rule of each challenge year.

Conventions
-----------
A section is the labelled test clips of one (machine, section); a machine ID of 2020 is a section.

Rules
-----
2020        AUC and pAUC per machine ID; arithmetic mean over the IDs of a machine, then over machines
            (the challenge ranked by average rank over machines, which needs all teams)
2021        AUC and pAUC within each domain of each section; harmonic mean of all of them
2022-2026   AUC source, AUC target (normal clips of the domain, anomalies of both), pAUC of each section; harmonic mean of all
own         as 2022-2026 where both domains are known and have normal clips, else AUC and pAUC over all clips
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fusion.metrics import Bools, Floats, domain_metrics, harmonic_mean, plain_metrics


@dataclass(frozen=True)
class Section:
    """Labelled test clips of one (machine, section), as positions in a table of clips."""

    machine: str
    section: str
    rows: NDArray[np.intp]
    anomalous: Bools
    target: Bools | None  # None when the domain of a clip is not known

    def by_domain(self, year: str) -> bool:
        """Whether the year's rule takes the domains apart here."""
        if year in ("2020", "own"):
            return year == "own" and self.target is not None and not _missing_normals(self)
        return True


def find_sections(frame: pd.DataFrame, year: str) -> tuple[list[Section], list[str]]:
    """Sections of `frame` that the rule of `year` can score, and a sentence on those that it cannot or not in full.

    `frame` has the key columns of a score table of one system; its index is ignored.
    """
    sections, notes, blind = [], [], []
    frame = frame.reset_index(drop=True)
    for (machine, name), rows in frame[frame["split"] == "test"].groupby(["machine", "section"], sort=True):
        labelled = rows[rows["label"] != ""]
        where = f"{machine} section {name}"
        if labelled.empty:
            blind.append(f"{machine} {name} ({len(rows)})")
            continue
        if len(labelled) < len(rows):
            notes.append(f"{where}: {len(rows) - len(labelled)} of {len(rows)} test clips have no label and are left out")
        known = bool((labelled["domain"] != "").all())
        section = Section(
            str(machine),
            str(name),
            labelled.index.to_numpy(),
            (labelled["label"] == "anomaly").to_numpy(),
            (labelled["domain"] == "target").to_numpy() if known else None,
        )
        obstacle = _obstacle(section, year)
        if obstacle:
            notes.append(f"{where}: {obstacle}, not scored")
        else:
            sections.append(section)
    if blind:
        notes.append(f"test clips without labels, not scored: {', '.join(blind)}")
    return sections, notes


def _obstacle(section: Section, year: str) -> str | None:
    """Why the year's rule cannot score the section."""
    if not section.anomalous.any():
        return f"its {len(section.rows)} labelled test clips are all normal"
    if section.anomalous.all():
        return f"its {len(section.rows)} labelled test clips are all anomalous"
    if not section.by_domain(year):
        return None
    if section.target is None:
        return f"the rule of {year} needs the domain of each clip"
    missing = _missing_normals(section)
    if missing:
        return f"it has no normal test clip of the {missing} domain"
    if year == "2021" and not (section.anomalous & section.target).any():
        return "it has no anomalous test clip of the target domain"
    if year == "2021" and not (section.anomalous & ~section.target).any():
        return "it has no anomalous test clip of the source domain"
    return None


def _missing_normals(section: Section) -> str:
    assert section.target is not None
    normal = ~section.anomalous
    return "source" if not (normal & ~section.target).any() else "target" if not (normal & section.target).any() else ""


def section_values(scores: Floats, section: Section, year: str) -> Floats:
    """The numbers that a section brings into the official score: scores (..., clips of the section) -> (..., numbers).

    Three by the rule of 2022 (AUC source, AUC target, pAUC); four in 2021 (AUC source, AUC target, pAUC source, pAUC target);
    two without domains (AUC, pAUC).
    """
    if not section.by_domain(year):
        return plain_metrics(scores, section.anomalous)
    assert section.target is not None
    if year != "2021":
        return domain_metrics(scores, section.anomalous, section.target)
    within = [plain_metrics(scores[..., mask], section.anomalous[mask]) for mask in (~section.target, section.target)]
    return np.stack([within[0][..., 0], within[1][..., 0], within[0][..., 1], within[1][..., 1]], axis=-1)


def mean_of(values: Floats, year: str) -> Floats:
    """How the year's rule joins the numbers of one section: values (..., numbers) -> (...)."""
    return np.asarray(values.mean(axis=-1)) if year == "2020" else harmonic_mean(values)


def official_score(values: Sequence[Floats], machines: Sequence[str], year: str) -> Floats:
    """The official score from each section's `section_values` (..., numbers) and the machine that each belongs to -> (...)."""
    if year != "2020":
        return harmonic_mean(np.concatenate(values, axis=-1))
    by_machine = [
        np.mean([mean_of(value, year) for value, owner in zip(values, machines, strict=True) if owner == machine], axis=0)
        for machine in dict.fromkeys(machines)
    ]
    return np.asarray(np.mean(by_machine, axis=0))
