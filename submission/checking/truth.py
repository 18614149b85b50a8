"""The organisers' ground truth of one year, which the user has on disk; nothing of it is shipped here.

It is a clone of a year's evaluator, or of the baseline, or a folder of the same layouts:

    ground_truth_data/ground_truth_MACHINE_section_00_test.csv      section_00_0000.wav,1    (1 is anomalous)
    ground_truth_domain/ground_truth_MACHINE_section_00_test.csv    section_00_0000.wav,0    (1 is target; absent in 2021)
    ground_truth_attributes/ground_truth_MACHINE_...csv             section_00_0000.wav,TRUE_STEM    (since 2023, optional)
    ground_truth_attributes/MACHINE/attributes_03.csv               first and last column: blind and true name (2022, optional)
    eval_data_list*.csv                                             a machine, then its lines BLIND.wav,TRUE.wav[,LABEL in 2020]

The first forms are the evaluators' since 2021, the last one is the baseline's and 2020's. A folder may hold several years: a
list is taken when the nearest name with a year in it says the right one, or when no name does and it fits the year's machines.
"""

import csv
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from submission.checking.rules import Part, Rules
from zoo.data.names import parse_name
from zoo.data.years import OWN
from zoo.errors import AsdzooError, listed

_FILE = re.compile(r"ground_truth_(?P<machine>.+)_section_(?P<section>\d\d)(?:_(?P<domain>source|target))?_test\.csv")
_HINT = "name the organisers' evaluator folder, with ground_truth_data/ and ground_truth_domain/ in it"

# SHA-256 of the lines "CLIP LABEL DOMAIN" of each part that the baseline repository's eval_data_list_2022.csv has wrong: of the
# 1,200 clips of the two toys 881 have another label or domain than the evaluator's truth (compared in November 2026)
_WRONG_2022 = {
    Part("ToyCar", "03"): "288bcc9dab9e2248",
    Part("ToyCar", "04"): "f89c5398387e29cc",
    Part("ToyCar", "05"): "5bcd4af63b789692",
    Part("ToyTrain", "03"): "973e673f54a08ca5",
    Part("ToyTrain", "04"): "f476ec11d2cca9f0",
    Part("ToyTrain", "05"): "2c2da63953c5c3fc",
}


@dataclass(frozen=True)
class Known:
    """What the truth says of one clip."""

    label: str  # normal or anomaly
    domain: str  # source, target, or "" in 2020


Clips = Mapping[Part, Mapping[str, Known]]  # part -> blind name -> truth


@dataclass
class Truth:
    """What one list, or all lists of a year, say."""

    origin: Path
    clips: dict[Part, dict[str, Known]] = field(default_factory=dict)
    true_names: dict[Part, dict[str, str]] = field(default_factory=dict)  # part -> true file name -> blind name


def read_truth(folder: Path, rules: Rules) -> tuple[Truth, list[str]]:
    """All that the folder says of the evaluation set of the rules' year, and a sentence on each list that was not taken.

    Raises: AsdzooError when it says nothing of it, its files do not fit together, or it is the list that is known to be wrong.
    """
    if not folder.is_dir():
        raise AsdzooError(f"no folder {folder}", _HINT)
    truth, wrong, others = Truth(folder), [], set()
    for found in _lists(folder):
        said = _year_said(found.origin, folder)
        if rules.year != OWN and not (said == rules.year or (said is None and _fits(found, rules))):
            others.add(said or "another year")
        elif rules.year == "2022" and any(fingerprint(found.clips.get(part, {})) == mark for part, mark in _WRONG_2022.items()):
            wrong.append(f"{found.origin} is a list known to be wrong: 881 clips of 2022 have another label or domain in it")
        else:
            _add(truth, found)
    if wrong and not truth.clips:
        raise AsdzooError(wrong[0], "take the truth of 2022 from its evaluator, github.com/Kota-Dohi/dcase2022_evaluator")
    if not truth.clips:
        of = "" if rules.year == OWN else f" of {rules.year}"
        raise AsdzooError(
            f"no ground truth{of} in {folder}" + (f", only of {listed(sorted(others), 9)}" if others else ""), _HINT
        )
    return truth, [f"{sentence}; it was not taken" for sentence in wrong]


def fingerprint(clips: Mapping[str, Known]) -> str:
    """Sixteen hexadecimal digits that name the truth of one part."""
    lines = "".join(f"{clip} {known.label} {known.domain}\n" for clip, known in sorted(clips.items()))
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


def _lists(folder: Path) -> Iterator[Truth]:
    """The evaluators' folders first, then the baseline's lists."""
    for inner in sorted({path.parent for path in folder.rglob("ground_truth_data/ground_truth_*.csv")}):
        if (found := _evaluator(inner)).clips:
            yield found
    for path in sorted(folder.rglob("eval_data_list*.csv")):
        yield _data_list(path)


def _year_said(path: Path, folder: Path) -> str | None:
    """The year in the nearest name above or of a list, the given folder's own included, no further up."""
    for name in reversed((folder.resolve().name, *path.relative_to(folder).parts)):
        if years := re.findall(r"20[12]\d", name):
            return str(years[-1])
    return None


def _fits(found: Truth, rules: Rules) -> bool:
    ids = any(clip.startswith("id_") for clips in found.clips.values() for clip in clips)
    return set(found.clips) <= set(rules.parts()) and ids == (rules.year == "2020")


def _add(truth: Truth, found: Truth) -> None:
    for part, clips in found.clips.items():
        there = truth.clips.setdefault(part, clips)
        odd = sorted(clip for clip in {*there, *clips} if there.get(clip) != clips.get(clip))
        if odd:
            raise AsdzooError(
                f"{found.origin} contradicts another list of {truth.origin} on {len(odd)} clips of {part}, first on {odd[0]}",
                "name the folder of one of them",
            )
        truth.true_names.setdefault(part, {}).update(found.true_names.get(part, {}))


def _evaluator(folder: Path) -> Truth:
    """The lists of one `ground_truth_data/` with its neighbours."""
    truth = Truth(folder)
    for path in sorted(folder.glob("ground_truth_*.csv")):
        match = _FILE.fullmatch(path.name)
        if not match:
            continue
        domains = {} if match["domain"] else _column(folder.parent / "ground_truth_domain" / path.name)
        part = Part(match["machine"], match["section"], match["domain"] or "")
        truth.clips[part] = {}
        for clip, value in _column(path).items():
            if not match["domain"] and clip not in domains:
                raise AsdzooError(f"{path.name} has {clip} in ground_truth_data but not in ground_truth_domain", _HINT)
            domain = match["domain"] or ("target" if domains[clip] else "source")
            truth.clips[part][clip] = Known("anomaly" if value else "normal", domain)
        attributes = folder.parent / "ground_truth_attributes"
        flat, nested = attributes / path.name, attributes / part.machine / f"attributes_{part.section}.csv"
        if flat.is_file():
            truth.true_names[part] = {f"{stem.strip()}.wav": row[0].strip() for row in _rows(flat) for stem in row[1:]}
        elif nested.is_file():
            pairs = [(Path(row[0].strip()).name, Path(row[-1].strip()).name) for row in _rows(nested)[1:] if len(row) > 1]
            truth.true_names[part] = {true: blind for blind, true in pairs}
    return truth


def _rows(path: Path) -> list[list[str]]:
    try:
        return list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))
    except (csv.Error, UnicodeDecodeError) as problem:
        raise AsdzooError(f"{path} cannot be read: {problem}", _HINT) from problem


def _column(path: Path) -> dict[str, bool]:
    """`clip,0 or 1` lines as a mapping."""
    if not path.exists():
        raise AsdzooError(f"no {path}", _HINT)
    values = {}
    for line, row in enumerate(_rows(path), 1):
        if len(row) < 2 or row[1].strip() not in ("0", "1"):
            raise AsdzooError(f"{path}, line {line}: not a clip and 0 or 1", _HINT)
        values[row[0].strip()] = row[1].strip() == "1"
    return values


def _data_list(path: Path) -> Truth:
    """The baseline's list: a line with a machine, then its clips; the true name says label and domain (2020: a third cell)."""
    truth = Truth(path)
    machine = ""
    for number, row in enumerate(_rows(path), 1):
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
        truth.clips.setdefault(part, {})[cells[0]] = Known(label, true.domain or "")
        truth.true_names.setdefault(part, {})[cells[1]] = cells[0]
    return truth
