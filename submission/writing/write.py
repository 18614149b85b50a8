"""From the score tables of a run to the files of a submission package."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fusion.ensemble import ensemble_path
from fusion.over_seeds import of_one_seed
from fusion.upkeep import older_tables
from submission.checking.check import Expected, check
from submission.checking.faults import Findings
from submission.checking.metadata import label_of
from submission.checking.rules import MAX_SYSTEMS, TASK, Part, Rules, rules_of
from submission.writing.describe import broken_parts, describe, external_datasets, members_of
from submission.writing.external import allowed, unknown_resources
from submission.writing.freeze import changes, current, freeze_path, read_freeze
from submission.writing.pack import pack
from submission.writing.results import development_results
from submission.writing.team import Team
from zoo.errors import AsdzooError, typed
from zoo.files import whole_file
from zoo.running.folder import Run
from zoo.running.marks import sentences
from zoo.scores import ScoreTable
from zoo.threshold import Method, Threshold, fit_threshold


@dataclass(frozen=True)
class Decided:
    """The decisions on one part by one system."""

    label: str
    ensemble: str
    part: Part
    threshold: Threshold
    rates: tuple[float | None, ...]  # of false positives among normal training clips: all, source domain, target domain
    anomalous: float  # share of test clips decided anomalous


@dataclass(frozen=True)
class Submission:
    """Everything that goes into a package, still in memory."""

    name: str  # stem of the zip
    files: dict[str, bytes]  # path inside the zip -> content
    labels: dict[str, str]  # label -> ensemble
    decided: tuple[Decided, ...]
    year: str
    expected: Expected  # the clips of each part
    warnings: tuple[str, ...]


def choose(run: Run, names: Sequence[str]) -> list[str]:
    """The score tables to submit, in order: those named, or all ensembles of the run but those of one seed each.

    Raises: AsdzooError for none, more than four, one named twice, or one that the run does not have.
    """
    known = run.score_names()
    alone = {member for members in of_one_seed(known).values() for member in members}
    chosen = list(names) or [name for name in known if ensemble_path(run.folder, name).exists() and name not in alone]
    if not chosen:
        raise AsdzooError(
            f"{run.folder} has no ensemble to submit",
            f"run `asdzoo fuse --run {typed(run.folder)}`, "
            f"or name a system with --ensemble ({', '.join(known) or 'none scored yet'})",
        )
    for name in chosen:
        if name not in known:
            raise AsdzooError(f"{run.folder} has no scores of {name!r}", f"scored: {', '.join(known) or 'nothing yet'}")
        if chosen.count(name) > 1:
            raise AsdzooError(f"{name} is named twice", "each system of a submission is another one")
    if len(chosen) > MAX_SYSTEMS:
        raise AsdzooError(
            f"{len(chosen)} systems, but a team may submit at most {MAX_SYSTEMS}",
            f"choose with --ensemble: {', '.join(chosen)}",
        )
    return chosen


def prepare(
    run: Run,
    names: Sequence[str],
    team: Team,
    *,
    method: Method = "gamma",
    percentile: float = 90.0,
    report: Path | None = None,
    partial: bool = False,
    external: Path | None = None,
) -> Submission:
    """Thresholds, CSVs and metadata of the named score tables, as the year of the run asks for them.

    `report` is the technical report; `partial` lets machines of the evaluation set be absent; `external` is a list of allowed
    external resources in place of the shipped one. A run that was frozen brings its freeze record.

    Raises: AsdzooError when a table lacks training scores or machines that another one has, or the report is no PDF.
    """
    tables = {name: run.scores(name) for name in names}
    years = sorted({table.year for table in tables.values()})
    if len(years) > 1:
        raise AsdzooError(f"the chosen score tables are of {' and '.join(years)}", "submit one year at a time")
    rules = rules_of(years[0])
    for unknown in sorted(set(team.systems) - set(run.score_names())):
        raise AsdzooError(
            f"team.yaml has words for {unknown!r}, which is no score table of the run",
            f"there are: {', '.join(run.score_names())}",
        )
    bare = run.info().cannot_score
    if bare and not partial:
        raise AsdzooError(
            bare, "add their training recordings, `asdzoo train-all`, `asdzoo fuse` (or --partial: a package without)"
        )
    parts, warnings = _submitted(tables, rules, partial)
    warnings += [*([bare] if bare else []), *older_tables(run, names)]
    warnings += [*sentences(run.marks(), run.cut()), *run.info().left_out]
    files: dict[str, bytes] = {}
    labels: dict[str, str] = {}
    decided: list[Decided] = []
    for index, (name, table) in enumerate(tables.items(), 1):
        label = label_of(team.label_stem, index)
        labels[label] = name
        folder = f"{TASK}/{label}"
        for part, test in parts[name].items():
            threshold, row = _decide(label, name, part, test, _train(table, part, name), method, percentile)
            decided.append(row)
            scores = test["score"].to_numpy()
            files[f"{folder}/{rules.score_name(part)}"] = _csv(test["clip"], [repr(float(score)) for score in scores])
            if decision_name := rules.decision_name(part):
                files[f"{folder}/{decision_name}"] = _csv(test["clip"], [str(one) for one in threshold.decide(scores)])
        number = index if len(tables) > 1 else None
        machines = sorted({part.machine for part in parts[name]})
        text = describe(run, name, label, team, rules, machines, number, development_results(table, rules))
        files[f"{folder}/{label}.meta.yaml"] = text.encode()
    stem = f"{team.label_stem}_{TASK}"
    if report is not None:
        files[f"{TASK}/{stem}.technical_report.pdf"] = _pdf(report)
    machines = sorted({part.machine for own in parts.values() for part in own})
    warnings += broken_parts(run, dict.fromkeys(one for name in names for one in members_of(run, name, machines)))
    named = [item for name in names for item in external_datasets(run, name, team, machines)]
    warnings += unknown_resources(named, allowed(external)) if rules.external_datasets else []
    if (frozen := read_freeze(run)) is not None:
        files[f"{TASK}/{stem}.freeze.json"] = freeze_path(run).read_bytes()
        warnings += changes(frozen, current(run))
    expected = {part: frozenset(test["clip"]) for part, test in next(iter(parts.values())).items()}
    return Submission(stem, files, labels, tuple(decided), rules.year, expected, tuple(warnings))


def write(submission: Submission, folder: Path) -> tuple[Path, Findings]:
    """Write the zip into `folder`, checked before it appears there. Raises: AsdzooError when the check finds an error."""
    path = folder / f"{submission.name}.zip"
    with whole_file(path) as aside:
        pack(submission.files, aside)
        report = check(aside, submission.year, submission.expected)
        if report.errors:
            first = report.errors[0]
            more = f" (and {len(report.errors) - 1} more)" if len(report.errors) > 1 else ""
            raise AsdzooError(f"the package would be refused: {first.where}: {first.message}{more}", first.hint)
    return path, report


def _submitted(
    tables: Mapping[str, ScoreTable], rules: Rules, partial: bool
) -> tuple[dict[str, dict[Part, pd.DataFrame]], list[str]]:
    """For each table its parts and their test rows; blind ones where there are any; and what the user should know."""
    found: dict[str, dict[Part, pd.DataFrame]] = {}
    blind: dict[Part, bool] = {}
    for name, table in tables.items():
        test = table.frame[table.frame["split"] == "test"]
        keys = ["machine", "section", *(["domain"] if rules.domains else [])]
        found[name] = {Part(*map(str, key)): rows for key, rows in test.groupby(keys, sort=True)}
        for part, rows in found[name].items():
            blind[part] = blind.get(part, False) or bool((rows["label"] == "").any())
    if not blind:
        raise AsdzooError(
            "the run has no scores of test clips", "put the evaluation recordings into the data folder and run `asdzoo score`"
        )
    wanted, warnings = _wanted(blind, rules)
    for name in found:
        missing = [part for part in wanted if part not in found[name]]
        if missing:
            other = next(other for other in found if missing[0] in found[other])
            raise AsdzooError(
                f"{name} has no test scores for {missing[0]}, which {other} has",
                f"run `asdzoo score` and `asdzoo fuse --ensemble {typed(name)}` again",
            )
    absent = _absent(wanted, rules)
    if absent and not partial:
        raise AsdzooError(
            absent, "the evaluator skips incomplete systems: add the recordings, `asdzoo score`, `asdzoo fuse` (or --partial)"
        )
    if absent:
        warnings.append(f"{absent}: the organisers would skip these systems")
    return {name: {part: found[name][part] for part in wanted} for name in found}, warnings


def _wanted(blind: Mapping[Part, bool], rules: Rules) -> tuple[list[Part], list[str]]:
    """The parts to submit, of all that have test clips, and what the user should know of the choice."""
    if parts := sorted(part for part in blind if blind[part]):
        return parts, []
    if parts := sorted(set(blind) & set(rules.parts())):
        return parts, ["no test clip is blind: the evaluation set goes in with the true names of its clips"]
    return sorted(blind), [
        "no machine has blind test clips: this is a rehearsal on development machines, which the challenge would not take"
    ]


def _absent(parts: Sequence[Part], rules: Rules) -> str:
    """What the year's evaluation set has beyond `parts`, as a sentence; "" when nothing, or when no part is of that set."""
    absent = [part for part in rules.parts() if part not in parts]
    if not absent or not set(rules.machines) & {part.machine for part in parts}:
        return ""
    return f"the evaluation set of {rules.year} also has {', '.join(map(str, absent))}, but the run has no scores for it"


def _train(table: ScoreTable, part: Part, name: str) -> pd.DataFrame:
    """Training rows for a part's threshold: both domains together, the rules allow one threshold for them."""
    frame = table.frame
    rows = frame[(frame["split"] == "train") & (frame["machine"] == part.machine) & (frame["section"] == part.section)]
    rows = rows[rows["label"] != "anomaly"]
    if not len(rows):
        raise AsdzooError(
            f"{name} has no training scores for {part.machine} {part.section} to put a threshold on",
            "run `asdzoo train-all` and `asdzoo fuse` again; both score training clips",
        )
    return rows


def _decide(
    label: str, name: str, part: Part, test: pd.DataFrame, train: pd.DataFrame, method: Method, percentile: float
) -> tuple[Threshold, Decided]:
    threshold = fit_threshold(train["score"].to_numpy(), method, percentile)
    normal = (train, train[train["domain"] == "source"], train[train["domain"] == "target"])
    rates = tuple(threshold.false_positive_rate(rows["score"].to_numpy()) if len(rows) else None for rows in normal)
    anomalous = float(threshold.decide(test["score"].to_numpy()).mean())
    return threshold, Decided(label, name, part, threshold, rates, anomalous)


def _csv(clips: "pd.Series[str]", values: Sequence[str]) -> bytes:
    """Lines `clip,value`: no header, LF, sorted by clip as the table is."""
    return "".join(f"{clip},{value}\n" for clip, value in zip(clips, values, strict=True)).encode()


def _pdf(path: Path) -> bytes:
    if not path.exists():
        raise AsdzooError(f"no report at {path}", "name the technical report with --report FILE.pdf")
    content = path.read_bytes()
    if b"%PDF-" not in content[:1024]:
        raise AsdzooError(f"{path} is no PDF", "export the technical report as PDF")
    return content
