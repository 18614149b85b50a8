"""A package judged by the organisers' ground truth, which the user has on disk.

The truth is a clone of a year's evaluator, or a folder of the same layout; nothing of it is shipped here:

    ground_truth_data/ground_truth_MACHINE_section_00_test.csv      section_00_0000.wav,1    (1 is anomalous)
    ground_truth_domain/ground_truth_MACHINE_section_00_test.csv    section_00_0000.wav,0    (1 is target; absent in 2021)
    ground_truth_attributes/...                                     section_00_0000.wav,TRUE_STEM    (optional)
    eval_data_list*.csv                                             a machine, then its lines BLIND.wav,TRUE.wav[,LABEL in 2020]

The first form is of 2021 to 2024, the last one is the baseline's and of 2020. The evaluators sort both lists of names and
then compare by position only. Here names decide, and a name without a counterpart is an error: by position it would have been
scored as another clip.
"""

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pandas as pd

from submission.checking.check_csv import Rows, read_rows
from submission.checking.layout import find_systems
from submission.checking.package import open_package
from submission.checking.part_names import guess_year, part_of
from submission.checking.rules import Part, Rules, rules_of
from zoo.data.names import parse_name
from zoo.errors import AsdzooError
from zoo.scores import ScoreTable

_FILE = re.compile(r"ground_truth_(?P<machine>.+)_section_(?P<section>\d\d)(?:_(?P<domain>source|target))?_test\.csv")
_HINT = "name the organisers' evaluator folder, with ground_truth_data/ and ground_truth_domain/ in it"


@dataclass(frozen=True)
class Known:
    """What the truth says of one clip."""

    label: str  # normal or anomaly
    domain: str  # source, target, or "" in 2020


Truth = Mapping[Part, Mapping[str, Known]]  # part -> blind name -> truth


@dataclass(frozen=True)
class Judged:
    """One system of a package, with the truth put in."""

    label: str
    table: ScoreTable  # one system, test clips only
    decisions: pd.DataFrame  # machine, section, domain, label, clip, decided (0 or 1); empty in 2020
    missing: tuple[Part, ...]  # parts of the truth that the system does not cover


def read_truth(folder: Path) -> Truth:
    """Every part that the folder has truth for. Raises: AsdzooError when it has none, or its files do not fit together."""
    truth: dict[Part, dict[str, Known]] = {}
    for path in sorted(folder.rglob("ground_truth_data/ground_truth_*.csv")):
        match = _FILE.fullmatch(path.name)
        if not match:
            continue
        domains = {} if match["domain"] else _column(path.parent.parent / "ground_truth_domain" / path.name)
        part = Part(match["machine"], match["section"], match["domain"] or "")
        truth[part] = {}
        for clip, value in _column(path).items():
            if not match["domain"] and clip not in domains:
                raise AsdzooError(f"{path.name} has {clip} in ground_truth_data but not in ground_truth_domain", _HINT)
            domain = match["domain"] or ("target" if domains[clip] else "source")
            truth[part][clip] = Known("anomaly" if value else "normal", domain)
    if not truth:
        for path in sorted(folder.rglob("eval_data_list*.csv")):
            for part, clips in _data_list(path).items():
                truth.setdefault(part, {}).update(clips)
    if not truth:
        raise AsdzooError(f"no ground truth in {folder}", _HINT)
    return truth


def judge(package: Path, truth: Path, year: str | None = None) -> tuple[list[Judged], Rules]:
    """Every system of a package with labels and domains put in by name.

    Raises: AsdzooError when a file cannot be read, or names are not those of the truth.
    """
    known, true_names = read_truth(truth), _true_names(truth)
    with open_package(package) as opened:
        systems = [system for system in find_systems(opened) if system.scores]
        if not systems:
            raise AsdzooError(f"{package} holds no scores", f"run `asdzoo check {package}` to see what is wrong with it")
        rules = rules_of(year or guess_year(name for system in systems for name in system.scores))

        def read(paths: Iterable[str], label: str) -> dict[Part, dict[str, float]]:
            """Values by part and blind name, of the parts that the truth knows."""
            found = {}
            for path in paths:
                part, _ = part_of(path, rules)
                if part is not None and part in known:
                    clips = _values(read_rows(opened, path, part, rules), package)
                    found[part] = _matched(clips, known[part], true_names.get(part, {}), f"{label} {part}")
            return found

        judged = []
        for system in systems:
            scores, decisions = read(system.scores, system.label), read(system.decisions, system.label)
            if not scores:
                raise AsdzooError(f"{system.label} scores none of the machines of {truth}", "is the truth of another year?")
            rows = _rows(scores, known)
            table = ScoreTable(rows.assign(system=system.label, year=rules.year, split="test", calibrated=rows["score"]))
            decided = _rows(decisions, known).rename(columns={"score": "decided"})
            judged.append(Judged(system.label, table, decided, tuple(sorted(set(known) - set(scores)))))
    return judged, rules


def detection_rates(decisions: pd.DataFrame) -> pd.DataFrame:
    """Precision, recall and F1 of the decisions, by machine, section and domain (within the domain, as the evaluators do).

    A ratio without a denominator is 0, as in the evaluators' library.
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


def _rows(values: Mapping[Part, Mapping[str, float]], truth: Truth) -> pd.DataFrame:
    rows = [
        (part.machine, part.section, truth[part][clip].domain, truth[part][clip].label, clip, value)
        for part, clips in values.items()
        for clip, value in clips.items()
    ]
    return pd.DataFrame(rows, columns=["machine", "section", "domain", "label", "clip", "score"])


def _values(rows: Rows, package: Path) -> dict[str, float]:
    errors = [fault for fault in rows.faults if fault.level == "error"]
    if errors:
        raise AsdzooError(f"{errors[0].where}: {errors[0].message}", f"run `asdzoo check {package}` for all faults")
    try:
        return {clip: float(value) for clip, value in rows.values.items()}
    except ValueError as problem:
        raise AsdzooError(f"{rows.path}: {problem}", f"run `asdzoo check {package}` for all faults") from problem


def _matched(
    clips: Mapping[str, float], truth: Mapping[str, Known], true_names: Mapping[str, str], where: str
) -> dict[str, float]:
    """Values by blind name, exactly one for each clip of the truth."""
    by_blind = {true_names.get(clip, clip): value for clip, value in clips.items()}
    unknown = sorted(set(by_blind) - set(truth))
    missing = sorted(set(truth) - set(by_blind))
    if unknown or missing:
        first = f"{unknown[0]} is not in the truth" if unknown else f"{missing[0]} has no row"
        raise AsdzooError(
            f"{where}: {len(clips)} rows for the {len(truth)} clips of the truth; {first} "
            f"({len(unknown)} unknown, {len(missing)} missing)",
            "the evaluator compares by position and would score other clips; `asdzoo check --data DIR` lists them",
        )
    return by_blind


def _column(path: Path) -> dict[str, bool]:
    """`clip,0 or 1` lines as a mapping."""
    if not path.exists():
        raise AsdzooError(f"no {path}", _HINT)
    values = {}
    for line, row in enumerate(csv.reader(path.read_text(encoding="utf-8").splitlines()), 1):
        if len(row) < 2 or row[1].strip() not in ("0", "1"):
            raise AsdzooError(f"{path}, line {line}: not a clip and 0 or 1", _HINT)
        values[row[0].strip()] = row[1].strip() == "1"
    return values


def _true_names(folder: Path) -> dict[Part, dict[str, str]]:
    """Part -> true file name -> blind file name, as far as `ground_truth_attributes/` says."""
    names: dict[Part, dict[str, str]] = {}
    for path in sorted(folder.rglob("ground_truth_attributes/ground_truth_*.csv")):
        if match := _FILE.fullmatch(path.name):
            rows = csv.reader(path.read_text(encoding="utf-8").splitlines())
            part = Part(match["machine"], match["section"], match["domain"] or "")
            names[part] = {f"{row[1].strip()}.wav": row[0].strip() for row in rows if len(row) > 1}
    return names


def _data_list(path: Path) -> dict[Part, dict[str, Known]]:
    """The baseline's list: a line with a machine, then its clips; the true name says label and domain (2020: a third cell)."""
    parts: dict[Part, dict[str, Known]] = {}
    machine = ""
    for number, row in enumerate(csv.reader(path.read_text(encoding="utf-8").splitlines()), 1):
        cells = [cell.strip() for cell in row if cell.strip()]
        if len(cells) == 1:
            machine = cells[0]
            continue
        blind, true = (parse_name(cells[0]), parse_name(cells[1])) if len(cells) > 1 else (None, None)
        if not machine or blind is None or true is None:
            raise AsdzooError(f"{path}, line {number}: not a blind and a true name under a machine", _HINT)
        label = true.label or ({"0": "normal", "1": "anomaly"}.get(cells[2]) if len(cells) > 2 else None)
        if label is None:
            raise AsdzooError(f"{path}, line {number}: neither name nor line says normal or anomalous", _HINT)
        part = Part(machine, blind.section, (blind.domain or ""))
        parts.setdefault(part, {})[cells[0]] = Known(label, true.domain or "")
    return parts
