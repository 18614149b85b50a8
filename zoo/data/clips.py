"""One recording, and how a tree of recordings becomes a list of them.

Conventions
-----------
layout          `zoo.data.layout`: machine folders hold split folders; folders of one name (development and evaluation tree) are
                one machine
year            `zoo.data.dating`; "own" for machines that no year has, and for names that are not the challenge's
facts           what a file name does not say of a recording of one's own comes from its folders (`test/anomaly/x.wav`), and
                `labels.csv` says it last; attributes that the names leave out come from `attributes_NN.csv`. All of it is read
                whenever recordings are found.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from zoo.data.annotations import LABELS, attribute_tables, read_attribute_table
from zoo.data.clip import Clip
from zoo.data.copies import leaks, without_copies
from zoo.data.dating import of_one_year
from zoo.data.folders import Found, MachineFolder
from zoo.data.labels import labelled, read_labels
from zoo.data.layout import find_machines
from zoo.data.names import (
    SPLIT_FOLDERS,
    Split,
    bare_name,
    domain_of_folder,
    label_of_folder,
    section_of_folder,
)
from zoo.data.problems import Problem, shown
from zoo.data.remembered import keep
from zoo.data.years import OWN, YEARS
from zoo.errors import AsdzooError, typed
from zoo.formulas import formulas

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Clip", "Recordings", "find_clips"]


class Recordings(list[Clip]):
    """Clips, and what was passed over, replaced or left out on the way to them; readers of recordings carry `problems` on."""

    def __init__(self, clips: Iterable[Clip] = (), problems: Iterable[Problem] = ()) -> None:
        super().__init__(clips)
        self.problems = list(problems)


def find_clips(root: Path, year: str | None = None, lone: Split = "train") -> Recordings:
    """All recordings of one year below `root`, sorted by machine, section, split (train, test, supplemental) and name.

    `root` is a machine folder, a split folder, a folder of machines, or any tree above. `year` picks one where the tree holds
    several or does not say; "own" takes the recordings as nobody's. `lone` is the split of a lone folder's recordings. Where
    blind names (`test/`) and true names (`test_rename/`) of a machine are there, the true names are taken. Nothing is left
    out without a line in `problems`.

    Raises: AsdzooError when `root` is missing, no folder, or without recordings; when the year is unclear or not one; when a
    labels.csv is faulty.
    """
    root = Path(root)
    if not root.exists():
        raise AsdzooError(f"there is no folder {root}", "name the folder of your recordings with --data")
    if not root.is_dir():
        raise AsdzooError(f"{root} is a file, not a folder of recordings", f"try its folder: --data {typed(root.parent)}")
    if year is not None and year not in (*YEARS, OWN):
        raise AsdzooError(f"there is no year {year!r}", f"known: {', '.join(YEARS)}, {OWN}")
    folders, problems = find_machines(root, lone)
    year, folders, left = of_one_year(root, folders, year)
    problems += left
    true = {folder.machine for folder in folders if "test_rename" in folder.folders}
    found: list[tuple[Path, list[Clip]]] = []
    for folder in folders:
        clips, said = _clips(folder, year, blind=folder.machine not in true)
        problems += said
        found.append((folder.path, clips))
    kept, said = without_copies([(path, clips) for path, clips in found if clips])
    if not kept:
        raise AsdzooError(f"{root} holds no recordings of {year}", str(problems[0]) if problems else "look with asdzoo scan")
    keep()
    order: dict[Split, int] = {"train": 0, "test": 1, "supplemental": 2}
    kept.sort(key=lambda clip: (clip.machine, clip.section, order[clip.split], clip.name, str(clip.path)))
    return Recordings(kept, [*problems, *said, *leaks(kept), *_odd(kept)])


def clip_table(clips: Iterable[Clip]) -> "pd.DataFrame":
    """Clips as a table, a row each; its columns are the fields of `Clip`, paths as text."""
    import pandas as pd

    columns = [field.name for field in fields(Clip)]
    rows = [[str(clip.path), *(getattr(clip, column) for column in columns[1:])] for clip in clips]
    return pd.DataFrame(rows, columns=columns, dtype=object)


def _clips(folder: MachineFolder, year: str, blind: bool) -> tuple[list[Clip], list[Problem]]:
    """The clips of a machine folder; without `blind`, the recordings in test/ give way to those under their true names."""
    problems: list[Problem] = []
    if year != OWN and (folder.path / LABELS).exists():
        problems.append(Problem("warning", folder.path / LABELS, f"is not read: names tell the labels of {year}"))
    table: dict[str, str] = {}
    known = {bare_name(found.path.name) for found in folder.recordings}
    for path in attribute_tables(folder.path):
        try:
            rows = read_attribute_table(path)
        except AsdzooError as problem:
            problems.append(Problem("warning", path, problem.message))
            continue
        table |= {name: "_".join(map("_".join, row.items())) for name, row in rows.items()}
        if absent := [name for name in rows if name not in known]:
            sentence = f"names {len(absent)} file(s) that are not there, first {shown(Path(absent[0]))}"
            problems.append(Problem("warning", path, sentence))
    clips: list[tuple[str, Clip]] = []
    foreign, replaced, unprintable = [], [], []
    for found in folder.recordings:
        if not blind and found.folder == "test" and not (found.says and found.says.label):
            replaced.append(found)
            continue
        clip = _clip(folder, found, year)
        if clip is None:
            foreign.append(found)
            continue
        if not _encodable(clip.name):
            unprintable.append(found)
            continue
        if clip.attributes is None and clip.split != "supplemental" and not (found.says and found.says.hidden):
            clip = replace(clip, attributes=table.get(bare_name(found.path.name)) or None)
        clips.append((found.folder, clip))
    if foreign:
        sentence = f"{len(foreign)} file(s) without a challenge name are left out, first {shown(Path(foreign[0].path.name))}"
        problems.append(Problem("warning", foreign[0].path.parent, sentence))
    if replaced:
        sentence = f"its {len(replaced)} blind recordings are left out, because there are some under true names, in test_rename"
        problems.append(Problem("warning", replaced[0].path.parent, sentence))
    if unprintable:
        sentence = f"{len(unprintable)} file(s) have a name that is no UTF-8 and are left out: rename them"
        problems.append(Problem("error", unprintable[0].path, sentence))
    if year != OWN:
        return [clip for _, clip in clips], problems
    own, said = labelled(clips, read_labels(folder.path), folder.path)
    return own, problems + said


def _clip(folder: MachineFolder, found: Found, year: str) -> Clip | None:
    """A recording as its name and, for one's own, its folders tell; `None` for a name that the challenge does not have."""
    name = found.says
    if year != OWN:
        if name is None:
            return None
        return Clip(found.path, year, folder.machine, name.section, name.split, name.domain, name.label, name.attributes)
    inner = found.below[::-1]  # the innermost folder says it first
    return Clip(
        found.path,
        year,
        folder.machine,
        (name.section if name else None) or _first(map(section_of_folder, inner)) or "00",
        name.split if name else SPLIT_FOLDERS[found.folder],
        (name.domain if name else None) or _first(map(domain_of_folder, (*inner, found.folder))),
        (name.label if name else None) or _first(map(label_of_folder, inner)),
        name.attributes if name else None,
        "/".join(found.below),
    )


_T = TypeVar("_T")


def _first(values: Iterable[_T | None]) -> _T | None:
    return next((value for value in values if value is not None), None)


def _encodable(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _odd(clips: Sequence[Clip]) -> Iterator[Problem]:
    """What is odd about what was found, a line for each machine."""
    learnt = [clip for clip in clips if clip.split == "train" and clip.label == "anomaly"]
    for machine in dict.fromkeys(clip.machine for clip in learnt):
        of_it = [clip for clip in learnt if clip.machine == machine]
        what = "is an anomaly" if len(of_it) == 1 else f"and {len(of_it) - 1} more are anomalies"
        yield Problem("warning", of_it[0].path, f"{what} among the training recordings, which are learnt as normal")
    beside: dict[Path, list[Clip]] = {}
    for clip in clips:
        beside.setdefault(clip.path.parent, []).append(clip)
    machines: dict[Path, list[Clip]] = {}
    for together in beside.values():
        machines.setdefault(together[0].machine_folder, []).extend(together)
    for folder, own in machines.items():
        if said := formulas([own[0].machine, *(clip.name for clip in own)]):
            yield Problem("warning", folder, said)
