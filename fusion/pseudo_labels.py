"""How well a run's pseudo-labels meet the attributes that the organisers published after the challenge.

The truth are their correspondence files, `MACHINE/attributes_NN_train_correspondence.csv` with the header
`source_file_name,target_file_name`: the true name of a clip, which says its attributes, and the name it was released under.

Figures
-------
adjusted Rand index   pairs of clips that both partitions treat alike; 0 is what chance gives, 1 the same partition
V-measure             harmonic mean of homogeneity (a cluster has one class) and completeness (a class has one cluster)

Sources: Hubert & Arabie, Journal of Classification 2, 1985; Rosenberg & Hirschberg, EMNLP 2007.
"""

import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from zoo.data.names import bare_name, parse_name
from zoo.errors import AsdzooError, listed
from zoo.running.folder import Run
from zoo.running.pseudo_files import FILE, PseudoLabel, read_pseudo_labels

_FILE = re.compile(r"attributes_(?P<section>\d\d)_train_correspondence\.csv")
_HEADER = ["source_file_name", "target_file_name"]
_HINT = "name the organisers' folder ground_truth_attributes, with MACHINE/attributes_00_train_correspondence.csv in it"

Part = tuple[str, str]  # machine and section
Truth = Mapping[Part, Mapping[str, str]]  # stem of the released name -> attributes


class Agreement(NamedTuple):
    """One row: the pseudo-labels of a system's machine and section against the truth."""

    system: str
    machine: str
    section: str
    domain: str  # all, or source
    clips: int
    classes: int  # that the truth has among them
    clusters: int
    rand: float
    v_measure: float


def judge(run: Run, folder: Path) -> tuple[list[Agreement], list[str]]:
    """Figures of all systems of a run, and sentences on what could not be judged.

    Raises: AsdzooError when the run has no pseudo-labels, or the folder no truth of its machines.
    """
    from sklearn.metrics import adjusted_rand_score, v_measure_score

    found: list[Agreement] = []
    notes: list[str] = []
    labels = dict(labels_of(run))
    if not labels:
        raise AsdzooError(
            f"{run.folder} has no pseudo-labels", "a system with `pseudo:` makes some, such as asd26_lora_near; see asdzoo list"
        )
    years = {label.year for own in labels.values() for label in own}
    truth = {year: read_correspondence(folder, year) for year in sorted(years)}
    for system, own in labels.items():
        for part in sorted({(label.year, label.machine, label.section) for label in own}):
            year, *place = part
            known = truth[year].get((place[0], place[1]), {})
            here = [label for label in own if (label.year, label.machine, label.section) == part]
            told = [label for label in here if bare_name(label.clip) in known]
            if not told:
                notes.append(f"{system}: there is no truth of {' '.join(place)} of {year} in {folder}")
                continue
            if len(told) < len(here):
                notes.append(
                    f"{system}: {len(here) - len(told)} of {len(here)} clips of {' '.join(place)} are not in the truth"
                )
            for domain in ("all", "source"):
                chosen = [label for label in told if domain in ("all", label.domain)]
                if not chosen or (domain == "source" and len(chosen) == len(told)):
                    continue
                true, made = [known[bare_name(label.clip)] for label in chosen], [label.label for label in chosen]
                figures = float(adjusted_rand_score(true, made)), float(v_measure_score(true, made))
                found.append(Agreement(system, place[0], place[1], domain, len(chosen), len({*true}), len({*made}), *figures))
    if not found:
        raise AsdzooError(notes[0], _HINT)
    return found, list(dict.fromkeys(notes))


def labels_of(run: Run) -> Iterator[tuple[str, list[PseudoLabel]]]:
    """The pseudo-labels of each system that has some. Raises: AsdzooError for a damaged file."""
    for system, entry in run.require().info().systems.items():
        paths = [run.system_folder(system) / task / FILE for task in entry.tasks]
        if own := [label for path in paths if path.exists() for label in read_pseudo_labels(path)]:
            yield system, own


def read_correspondence(folder: Path, year: str) -> Truth:
    """The attributes of training clips of a year. A file below a folder that names another year is not taken.

    Raises: AsdzooError when the folder is missing, or a file is none of these or contradicts another.
    """
    if not folder.is_dir():
        raise AsdzooError(f"no folder {folder}", _HINT)
    truth: dict[Part, dict[str, str]] = {}
    for path in sorted(folder.rglob("attributes_*_train_correspondence.csv")):
        match = _FILE.fullmatch(path.name)
        said = [year for part in path.relative_to(folder).parts for year in re.findall(r"20[12]\d", part)]
        if match is None or (said and said[-1] != year):
            continue
        own = truth.setdefault((path.parent.name, match["section"]), {})
        for stem, attributes in _rows(path):
            if own.setdefault(stem, attributes) != attributes:
                raise AsdzooError(f"{path} contradicts another file on {stem}", "name the folder of one year")
    return truth


def _rows(path: Path) -> Iterator[tuple[str, str]]:
    """Released stem and attributes of each clip."""
    try:
        lines = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise AsdzooError(f"{path} cannot be read: {problem}", _HINT) from problem
    if not lines or [cell.strip() for cell in lines[0]] != _HEADER:
        raise AsdzooError(f"{path}: its header is not {','.join(_HEADER)}", _HINT)
    strange = []
    for number, row in enumerate(lines[1:], 2):
        if not row:
            continue
        true = parse_name(f"{bare_name(row[0].strip())}.wav") if len(row) == len(_HEADER) else None
        if true is None:
            strange.append(number)
        else:
            yield bare_name(row[1].strip()), true.attributes or ""
    if strange:
        raise AsdzooError(f"{path}: not two names of clips in line {listed([str(number) for number in strange])}", _HINT)
