"""Where the pieces of a package are: its systems, and whose each file is."""

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import PurePosixPath

from submission.checking.faults import Fault, error, warning
from submission.checking.metadata import label_problem
from submission.checking.package import Package
from submission.checking.rules import MAX_SYSTEMS, MOST_READ, TASK

_META = re.compile(r"(.*\.)?meta\.ya?ml", re.IGNORECASE)
_CSV = re.compile(r"(anomaly_score|decision_result).*\.csv", re.IGNORECASE)
_REPORT = re.compile(r"[^_]+_[^_]+_task2(_[1-4])?\.technical_report\.pdf")
_SMALLEST_REPORT = 200  # bytes; an empty PDF has more


@dataclass(frozen=True)
class SystemFiles:
    """One system of a package; paths inside the package."""

    folder: str  # "" when its files lie at the top
    metas: tuple[str, ...]
    scores: tuple[str, ...]
    decisions: tuple[str, ...]

    @property
    def label(self) -> str:
        """The last part of the folder, which must be the label."""
        return PurePosixPath(self.folder).name


def find_systems(package: Package) -> list[SystemFiles]:
    """Every folder that holds metadata, scores or decisions, sorted."""
    metas: defaultdict[str, list[str]] = defaultdict(list)
    scores: defaultdict[str, list[str]] = defaultdict(list)
    decisions: defaultdict[str, list[str]] = defaultdict(list)
    for path in package.sizes:
        folder, _, name = path.rpartition("/")
        if _META.fullmatch(name):
            metas[folder].append(path)
        elif match := _CSV.fullmatch(name):
            (scores if match[1].lower() == "anomaly_score" else decisions)[folder].append(path)
    folders = sorted({*metas, *scores, *decisions})
    return [SystemFiles(folder, tuple(metas[folder]), tuple(scores[folder]), tuple(decisions[folder])) for folder in folders]


def check_layout(package: Package, systems: list[SystemFiles]) -> list[Fault]:
    """Faults of the tree: `task2/LABEL/`, the labels together, the report, files that belong to nothing."""
    if not systems:
        return [
            error(
                "no-system",
                "no system found: no file is called *.meta.yaml or anomaly_score_*.csv",
                f"a package holds {TASK}/LABEL/LABEL.meta.yaml and its CSV files; `asdzoo submit` writes one",
            )
        ]
    named = package.path.is_dir() and package.path.resolve().name == TASK  # the folder task2 itself was given
    root = "" if named else f"{TASK}/"
    faults = []
    for system in systems[:MOST_READ]:
        faults += _place(system, root)
    if len(systems) > MAX_SYSTEMS:
        read = f"; only the first {MOST_READ} were read" if len(systems) > MOST_READ else ""
        message = f"{len(systems):,} systems, at most {MAX_SYSTEMS} are allowed{read}"
        faults.append(error("too-many-systems", message, "leave some out"))
    good = [system.label for system in systems[:MOST_READ] if system.folder and not label_problem(system.label)]
    teams = sorted({label.rpartition(f"_{TASK}_")[0] for label in good})
    if len(teams) > 1:
        faults.append(
            error("several-teams", f"labels of several teams: {', '.join(teams)}", "one team, one last name and institute")
        )
    for label in sorted({label for label in good if good.count(label) > 1}):
        faults.append(error("duplicate-label", f"two systems are called {label}", "give each its own index"))
    indices = sorted({int(label.rpartition("_")[2]) for label in good})
    if good and indices != list(range(1, len(indices) + 1)):
        faults.append(
            warning("index-gap", f"indices {', '.join(map(str, indices))} do not count from 1", "number the systems 1, 2, 3, 4")
        )
    return faults + _reports(package) + _strays(package, systems)


def _place(system: SystemFiles, root: str) -> list[Fault]:
    if not system.folder:
        return [
            error(
                "no-system-folder",
                "a system's files lie at the top",
                f"put them into {TASK}/LABEL/, one folder for each system",
            )
        ]
    faults = []
    if problem := label_problem(system.label):
        hint = f"name the folder {TASK}/LASTNAME_INSTITUTE_{TASK}_1, with an abbreviation of the institute without `_`"
        faults.append(error("label", problem, hint, system.folder))
    expected = f"{root}{system.label}"
    if system.folder != expected:
        above = system.folder.rpartition("/")[0]
        if root and system.folder.endswith(f"/{expected}"):
            message, hint = f"{above} should be {TASK} at the top", f"zip the folder {TASK} itself, not the one around it"
        elif above:
            message, hint = f"lies in {above}, not directly in {TASK}/", f"move it to {TASK}/{system.label}"
        else:
            message, hint = f"there is no folder {TASK}/ around it", f"put every system into {TASK}/ and zip that"
        faults.append(error("no-task-folder", message, hint, system.folder))
    return faults


def _reports(package: Package) -> list[Fault]:
    pdfs = [path for path in package.sizes if path.lower().endswith(".pdf")]
    reports = [path for path in package.sizes if "technical_report" in path.lower()] or pdfs
    if not reports:
        return [
            warning(
                "no-report",
                "no technical report; the challenge asks for one",
                f"add LASTNAME_INSTITUTE_{TASK}.technical_report.pdf to {TASK}/ (`asdzoo submit --report FILE` does)",
            )
        ]
    faults = []
    for path in reports:
        name = path.rpartition("/")[2]
        if not path.lower().endswith(".pdf"):
            faults.append(error("report-format", "the technical report is not a PDF", "export it as PDF", path))
        elif package.sizes[path] < _SMALLEST_REPORT or b"%PDF-" not in _head(package, path):
            faults.append(error("report-format", "called .pdf, but its content is no PDF", "export it as PDF again", path))
        elif not _REPORT.fullmatch(name):
            faults.append(
                warning(
                    "report-name", "an unusual name for the report", f"LASTNAME_INSTITUTE_{TASK}.technical_report.pdf", path
                )
            )
    return faults


def _head(package: Package, path: str) -> bytes:
    try:
        return package.read(path, 1024)
    except OSError:
        return b""


def _strays(package: Package, systems: list[SystemFiles]) -> list[Fault]:
    known = {path for system in systems for path in (*system.metas, *system.scores, *system.decisions)}
    return [
        warning("stray-file", "belongs to no part of a package", "leave it out", path)
        for path in package.sizes
        if path not in known and not path.lower().endswith((".pdf", ".freeze.json")) and "technical_report" not in path.lower()
    ]
