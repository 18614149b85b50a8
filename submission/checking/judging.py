"""A package with the organisers' truth put in: labels and domains of every clip, by name.

The evaluators sort both lists of names and then compare by position only. Here names decide, and a name without a counterpart
is an error: by position it would have been scored as another clip.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pandas as pd

from submission.checking.check_csv import Rows, read_rows
from submission.checking.layout import SystemFiles, find_systems
from submission.checking.package import Package, open_package
from submission.checking.part_names import guess_year, part_of
from submission.checking.rules import MOST_READ, Part, Rules, rules_of
from submission.checking.truth import Clips, Truth, read_truth
from zoo.errors import AsdzooError, listed, typed
from zoo.scores import ScoreTable


@dataclass(frozen=True)
class Judged:
    """One system of a package, with the truth put in."""

    label: str
    table: ScoreTable  # one system, test clips only
    decisions: pd.DataFrame  # machine, section, domain, label, clip, decided (0 or 1); empty in 2020
    notes: tuple[str, ...]  # what keeps the organisers' script from judging the system, or this program from reading all


def judge(package: Path, truth: Path, year: str | None = None) -> tuple[list[Judged], Rules, list[str]]:
    """Every system of a package with labels and domains put in by name; the rules of its year; notes on the truth.

    Raises: AsdzooError when a file cannot be read, or names are not those of the truth.
    """
    with open_package(package) as opened:
        systems = [system for system in find_systems(opened) if system.scores]
        if not systems:
            raise AsdzooError(f"{package} holds no scores", f"run `asdzoo check {typed(package)}` to see what is wrong with it")
        rules = rules_of(year or guess_year(name for system in systems[:MOST_READ] for name in system.scores))
        known, notes = read_truth(truth, rules)
        if len(systems) > MOST_READ:
            notes.append(f"{package} has {len(systems):,} systems; only the first {MOST_READ} were judged")
        return [_judged(opened, system, known, rules) for system in systems[:MOST_READ]], rules, notes


def _judged(package: Package, system: SystemFiles, truth: Truth, rules: Rules) -> Judged:
    scores = _read(package, system.scores, truth, rules, system.label)
    if not scores:
        raise AsdzooError(f"{system.label} scores none of the machines of {truth.origin}", "is the truth of another year?")
    missing = sorted(set(truth.clips) - set(scores))
    skips = ": the organisers' script would skip the system"
    notes = [f"{system.label} does not cover {listed([str(part) for part in missing], 9)}{skips}"] if missing else []
    decisions: dict[Part, dict[str, float]] = {}
    if rules.decision_file:
        read = _read(package, system.decisions, truth, rules, system.label)
        for part, values in read.items():
            odd = [value for value in values.values() if not math.isfinite(value) or int(value) not in (0, 1)]
            if odd:
                notes.append(f"{system.label} decides {odd[0]:g} on a clip of {part}, neither 0 nor 1: the script would stop")
            else:
                decisions[part] = {clip: int(value) for clip, value in values.items()}  # 1.7 counts as 1, as there
        absent = [str(part) for part in sorted(scores) if part not in read]
        if absent:
            notes.append(f"{system.label} has no decision file for {listed(absent, 9)}{skips}")
    rows = _rows(scores, truth.clips)
    table = ScoreTable(rows.assign(system=system.label, year=rules.year, split="test", calibrated=rows["score"]))
    decided = _rows(decisions, truth.clips).rename(columns={"score": "decided"})
    return Judged(system.label, table, decided, tuple(notes))


def _read(package: Package, paths: Iterable[str], truth: Truth, rules: Rules, label: str) -> dict[Part, dict[str, float]]:
    """Values by part and blind name, of the parts that the truth knows."""
    found: dict[Part, dict[str, float]] = {}
    for path in paths:
        part, _ = part_of(path, rules)
        if part is not None and part in truth.clips:
            clips = _values(read_rows(package, path, part, rules), package.path)
            found[part] = _matched(clips, truth, part, f"{label} {part}")
    return found


def detection_rates(decisions: pd.DataFrame) -> pd.DataFrame:
    """Precision, recall and F1 of the decisions, by machine, section and domain (within the domain, as the evaluators do).

    A ratio without a denominator is 0, as in the evaluators.
    """
    rows = []
    for key, clips in decisions.groupby(["machine", "section", "domain"], sort=True):
        anomalous, decided = (clips["label"] == "anomaly").to_numpy(), (clips["decided"] == 1).to_numpy()
        hits = int((anomalous & decided).sum())
        precision = hits / decided.sum() if decided.any() else 0.0
        recall = hits / anomalous.sum() if anomalous.any() else 0.0
        f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
        rows.append((*cast("tuple[str, str, str]", key), float(precision), float(recall), float(f1)))
    return pd.DataFrame(rows, columns=["machine", "section", "domain", "precision", "recall", "f1"])


def _rows(values: Mapping[Part, Mapping[str, float]], truth: Clips) -> pd.DataFrame:
    rows = [
        (part.machine, part.section, truth[part][clip].domain, truth[part][clip].label, clip, value)
        for part, clips in values.items()
        for clip, value in clips.items()
    ]
    return pd.DataFrame(rows, columns=["machine", "section", "domain", "label", "clip", "score"])


def _values(rows: Rows, package: Path) -> dict[str, float]:
    errors = [fault for fault in rows.faults if fault.level == "error"]
    if errors:
        raise AsdzooError(f"{errors[0].where}: {errors[0].message}", f"run `asdzoo check {typed(package)}` for all faults")
    try:
        return {clip: float(value) for clip, value in rows.values.items()}
    except ValueError as problem:
        raise AsdzooError(f"{rows.path}: {problem}", f"run `asdzoo check {typed(package)}` for all faults") from problem


def _matched(clips: Mapping[str, float], truth: Truth, part: Part, where: str) -> dict[str, float]:
    """Values by blind name, exactly one for each clip of the truth."""
    known, true_names = truth.clips[part], truth.true_names.get(part, {})
    by_blind = {clip if clip in known else true_names.get(clip, clip): value for clip, value in clips.items()}
    unknown, missing = sorted(set(by_blind) - set(known)), sorted(set(known) - set(by_blind))
    if unknown or missing or len(by_blind) != len(clips):
        first = (
            f"{unknown[0]} is not in the truth"
            if unknown
            else f"{missing[0]} has no row"
            if missing
            else "a clip has two names"
        )
        raise AsdzooError(
            f"{where}: {len(clips)} rows for the {len(known)} clips of the truth; {first} "
            f"({len(unknown)} unknown, {len(missing)} missing)",
            "the evaluator compares by position and would score other clips; `asdzoo check --data DIR` lists them",
        )
    return by_blind
