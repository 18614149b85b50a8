"""Which clips form each figure of a machine, and the numbers behind it.

An AUC is a share of pairs: of all pairs of a normal and an anomalous clip, those in which the anomalous one has the higher
score, ties counting half. What differs between the figures of a section is which clips are paired; the sentences say it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fusion.metrics import MAX_FPR, Bools, Floats, auc, pauc
from fusion.official import Section, find_sections
from zoo.errors import AsdzooError, unknown_name
from zoo.scores import ScoreTable


@dataclass(frozen=True)
class Clip:
    """A clip that costs a figure pairs."""

    name: str
    kind: str  # normal or anomaly, and its domain
    score: float
    lost: float  # pairs that it loses, a tie is half a pair


@dataclass(frozen=True)
class Explained:
    """One figure of one section."""

    system: str
    machine: str
    section: str
    figure: str  # AUC source, AUC target, AUC, pAUC, ...
    why: str  # which clips, and by which rule
    normal: int
    anomalous: int
    won: int  # pairs in which the anomalous clip has the higher score
    tied: int
    pairs: int
    value: float
    costly: tuple[Clip, ...]  # the clips that lose most of its pairs, the worst first


def explain_machine(table: ScoreTable, system: str, machine: str, most: int = 5) -> list[Explained]:
    """Each figure of each labelled section of `machine`, with the `most` clips that cost it most.

    Raises: AsdzooError for a machine that the system has no scores of, or whose test clips the year's rule cannot score.
    """
    frame = table.frame[table.frame["system"] == system].reset_index(drop=True)
    machines = list(dict.fromkeys(frame.loc[frame["split"] == "test", "machine"]))
    if machine not in machines:
        raise unknown_name("machine", machine, machines)
    sections, notes = find_sections(frame[frame["machine"] == machine], table.year)
    if not sections:
        raise AsdzooError(f"{machine} has no figures: {'; '.join(notes)}", "it needs normal and anomalous test clips")
    rows = frame[frame["machine"] == machine].reset_index(drop=True)
    return [
        _explained(rows.iloc[section.rows[mask]], system, section, figure, why, most)
        for section in sections
        for figure, why, mask in _figures(section, table.year)
    ]


def _figures(section: Section, year: str) -> list[tuple[str, str, Bools]]:
    """Name, reason and clips of each figure of a section."""
    everything = np.ones(len(section.rows), dtype=np.bool_)
    if not section.by_domain(year) or section.target is None:
        why = "all clips: the recordings know no domains" if year == "own" else f"all clips: {year} has no domains"
        return [("AUC", why, everything), ("pAUC", _PARTIAL, everything)]
    if year == "2021":
        within = "clips of the {0} domain alone: in 2021 test names told the domain, and each was judged for itself"
        domains = {"source": ~section.target, "target": section.target}
        plain = [(f"AUC {name}", within.format(name), mask) for name, mask in domains.items()]
        return plain + [(f"pAUC {name}", f"the same; {_PARTIAL}", mask) for name, mask in domains.items()]
    against = "normal clips of the {0} domain against the anomalies of both: a threshold holds for both domains"
    return [
        ("AUC source", against.format("source"), section.anomalous | ~section.target),
        ("AUC target", against.format("target"), section.anomalous | section.target),
        ("pAUC", f"both domains; {_PARTIAL}", everything),
    ]


_PARTIAL = (
    f"of {{count}} normal clips only the highest {MAX_FPR:.0%}, those that a threshold with so few false alarms lets through; "
    "0.5 is chance"
)


def _explained(rows: pd.DataFrame, system: str, section: Section, figure: str, why: str, most: int) -> Explained:
    anomalous = (rows["label"] == "anomaly").to_numpy()
    scores = rows["score"].to_numpy(dtype=np.float64)
    normal, anomaly = scores[~anomalous], scores[anomalous]
    if figure.startswith("pAUC"):  # the normal clips that a threshold with so few false positives lets through
        highest = np.argsort(-scores[~anomalous], kind="stable")[: int(np.ceil(MAX_FPR * len(normal)))]
        why = why.format(count=len(normal))
        kept = anomalous.copy()
        kept[np.flatnonzero(~anomalous)[highest]] = True
        normal = normal[highest]
    else:
        kept = np.ones(len(scores), dtype=np.bool_)
    won, tied = _pairs(anomaly, normal)
    value = float((pauc if figure.startswith("pAUC") else auc)(scores, anomalous))
    costly = _costly(rows[kept], scores[kept], anomalous[kept], most)
    where = (system, section.machine, section.section)
    counts = (len(normal), len(anomaly), won, tied, len(normal) * len(anomaly))
    return Explained(*where, figure, why, *counts, value, costly)


def _pairs(anomaly: Floats, normal: Floats) -> tuple[int, int]:
    ordered = np.sort(normal)
    below, upto = np.searchsorted(ordered, anomaly, "left"), np.searchsorted(ordered, anomaly, "right")
    return int(below.sum()), int((upto - below).sum())


def _costly(rows: pd.DataFrame, scores: Floats, anomalous: Bools, most: int) -> tuple[Clip, ...]:
    """A normal clip loses the pairs with anomalies below it, an anomaly those with normal clips above it."""
    lost = np.empty(len(scores))
    anomaly, normal = np.sort(scores[anomalous]), np.sort(scores[~anomalous])
    for mask, others, sign in ((~anomalous, anomaly, 1.0), (anomalous, normal, -1.0)):
        low = np.searchsorted(others, scores[mask], "left")
        tied = np.searchsorted(others, scores[mask], "right") - low
        lost[mask] = (low if sign > 0 else len(others) - low - tied) + tied / 2
    worst = [index for index in np.argsort(-lost, kind="stable")[:most] if lost[index] > 0]
    kinds: Sequence[str] = [f"{label} {domain}".strip() for label, domain in zip(rows["label"], rows["domain"], strict=True)]
    names = rows["clip"].tolist()
    return tuple(Clip(names[index], kinds[index], float(scores[index]), float(lost[index])) for index in worst)
