"""Every fault of a submission package at once.

A package is a zip or a folder, ours or anyone's, of any year. The year follows from the machines in it unless it is given.
However large it is, little more than the rules allow is read: the first eight systems, and rows up to a limit.
"""

import hashlib
import json
from collections.abc import Mapping, Set
from pathlib import Path

from submission.checking.check_csv import Rows, check_agreement, check_decisions, check_scores, read_rows
from submission.checking.check_metadata import check_meta
from submission.checking.faults import Fault, Findings, error, in_order, warning
from submission.checking.layout import SystemFiles, check_layout, find_systems
from submission.checking.package import Package, open_package
from submission.checking.part_names import guess_year, part_of
from submission.checking.rules import MAX_SYSTEMS, MOST_READ, Part, Rules, rules_of

Expected = Mapping[Part, Set[str]]  # part -> its test clips

_MOST_ROWS = 200_000  # of all CSV files together; four systems of 2022 have 34,000
_ROW_BYTES = 64  # a file of few but long rows counts by its size
_MOST_FILES = 200  # of scores, and of decisions, of a system; the largest evaluation set has 42


def check(path: Path, year: str | None = None, expected: Expected | None = None) -> Findings:
    """Check the package at `path`.

    `year` is guessed when None. `expected` says which clips each part has, from a data folder; without it a known year's
    machines must be complete, and clips cannot be compared.

    Raises: AsdzooError when there is no package at `path`, or `year` is unknown.
    """
    with open_package(path) as package:
        found_systems = find_systems(package)
        systems = found_systems[:MOST_READ]
        csvs = [name for system in systems for name in (*system.scores[:_MOST_FILES], *system.decisions[:_MOST_FILES])]
        rules = rules_of(year or guess_year(csvs))
        faults = [*package.faults]
        if package.sizes or not package.faults:
            faults += check_layout(package, found_systems)
        left = _MOST_ROWS
        abbreviations: dict[str, SystemFiles] = {}
        scored: dict[str, SystemFiles] = {}
        for system in systems:
            found, abbreviation, scores, left = _check_system(package, system, rules, expected, left)
            faults += found
            faults += _same("scores", system, scored.setdefault(scores, system))
            faults += _same("abbreviation", system, abbreviations.setdefault(abbreviation, system))
        return Findings(
            str(path), rules.year, tuple(system.label for system in found_systems), in_order(faults), rules.unverified
        )


def _check_system(
    package: Package, system: SystemFiles, rules: Rules, expected: Expected | None, left: int
) -> tuple[list[Fault], str, str, int]:
    """Faults of one system, its abbreviation, what tells its scores from others', and how many more rows may be read."""
    faults, meta = check_meta(package, system, rules)
    scores, found, left = _by_part(package, system.scores, rules, left)
    decisions, more, left = _by_part(package, system.decisions, rules, left)
    faults += found + more
    for rows in scores.values():
        check_scores(rows)
    for part, rows in decisions.items():
        check_decisions(rows)
        if part in scores:
            check_agreement(scores[part], rows)
    faults += _complete(system, rules, scores, decisions, expected)
    for rows in (*scores.values(), *decisions.values()):
        faults += rows.faults
    block = meta.get("submission") if isinstance(meta, dict) else None
    abbreviation = block.get("abbreviation") if isinstance(block, dict) else None
    values = [[str(part), rows.values] for part, rows in sorted(scores.items()) if rows.values]
    alike = hashlib.sha256(json.dumps(values).encode()).hexdigest() if values else system.folder  # nothing is like no scores
    return faults, str(abbreviation or system.folder), alike, left


def _same(what: str, system: SystemFiles, first: SystemFiles) -> list[Fault]:
    if first is system:
        return []
    return [warning(f"same-{what}", f"the same {what} as {first.folder}", "each system should be told apart", system.folder)]


def _by_part(package: Package, paths: tuple[str, ...], rules: Rules, left: int) -> tuple[dict[Part, Rows], list[Fault], int]:
    rows: dict[Part, Rows] = {}
    faults = []
    if len(paths) > _MOST_FILES:
        hint = "one file for each machine of the evaluation set"
        faults.append(error("too-many-files", f"{len(paths):,} files; only {_MOST_FILES} were read", hint, paths[_MOST_FILES]))
    for path in paths[:_MOST_FILES]:
        part, found = part_of(path, rules)
        faults += found
        if part is None:
            continue
        if part in rows:
            faults.append(error("part-twice", f"{part} has two files, {rows[part].path} as well", "keep one", path))
            continue
        if left <= 0:
            hint = f"a package has at most {MAX_SYSTEMS} systems, with a few hundred clips for each machine"
            faults.append(error("too-large", f"more than {_MOST_ROWS:,} rows; the rest was not read", hint))
            break
        rows[part] = read_rows(package, path, part, rules, left)
        left -= rows[part].read + package.sizes[path] // _ROW_BYTES
    return rows, faults, left


def _complete(
    system: SystemFiles, rules: Rules, scores: dict[Part, Rows], decisions: dict[Part, Rows], expected: Expected | None
) -> list[Fault]:
    """Parts and clips that are missing or too many."""
    faults = []
    official = any(part.machine in rules.machines for part in scores)
    wanted = set(expected) if expected is not None else set(rules.parts()) if official else set(scores)
    folder = system.folder
    for part in sorted(wanted - set(scores)):
        name = rules.score_name(part)
        hint = f"add {name}; the evaluator skips incomplete systems"
        faults.append(error("part-missing", f"no scores for {part}", hint, folder))
    if rules.decision_file:
        for part in sorted(set(scores) - set(decisions)):
            faults.append(error("decision-missing", f"no decisions for {part}", f"add {rules.decision_name(part)}", folder))
    for part in sorted(set(decisions) - set(scores) - wanted):
        faults.append(error("score-missing", f"decisions but no scores for {part}", f"add {rules.score_name(part)}", folder))
    if scores and not official and expected is None and rules.machines:
        message = f"none of the machines is in the evaluation set of {rules.year}"
        faults.append(warning("not-evaluation", message, "fine for a rehearsal", folder))
    for part in sorted(set(scores) - wanted):
        faults.append(error("part-unknown", f"{part} is not in the evaluation set", "leave it out", scores[part].path))
    for part, rows in scores.items():
        if expected is not None and part in expected:
            _compare_clips(rows, expected[part])
        elif part.machine in rules.machines and rules.clips_per_part and len(rows.values) != rules.clips_per_part:
            message = f"{len(rows.values)} clips, the evaluation set has {rules.clips_per_part}"
            rows.add("clip-count", "warning", message, "`--data DIR` compares them by name")
    return faults


def _compare_clips(rows: Rows, expected: Set[str]) -> None:
    missing, extra = sorted(expected - set(rows.values)), sorted(set(rows.values) - expected)
    hint = "one row for each test clip"
    if missing:
        rows.add("clip-missing", "error", f"{len(missing)} test clips have no score, the first is {missing[0]}", hint)
    if extra:
        rows.add("clip-unknown", "error", f"{len(extra)} rows are of no test clip, the first is {extra[0]}", hint)
