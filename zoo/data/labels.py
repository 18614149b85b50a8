"""One's own labels: `labels.csv` in a machine's folder.

Conventions
-----------
form        columns file_name and label and, where wanted, domain, section and attributes, in any order and case, separated by
            commas, semicolons or tabs; UTF-8, UTF-16 or cp1252. An empty cell says nothing.
file_name   with or without ending, folders and leading zeros (spreadsheets take them away): `test/0001.wav` tells the file from
            `train/0001.wav`; `0001.wav` and `1` mean the test recording where both are there
label       normal or anomaly, or what a folder may be called (ok, ng, good, bad, abnormal, ...), or 0 and 1
"""

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypedDict, cast

from zoo.data.annotations import LABELS, read_table
from zoo.data.clip import Clip
from zoo.data.names import Domain, Label, bare_name, domain_of_folder, label_of_folder, split_folder
from zoo.data.problems import Problem, shown
from zoo.errors import AsdzooError, listed

_FORM = "the columns are file_name, label and, where wanted, domain, section, attributes"
_COLUMNS = ("file_name", "label", "domain", "section", "attributes")
_MOST_FAULTS = 20  # rows that are listed in one message
_NUMBERS: dict[str, Label] = {"0": "normal", "1": "anomaly"}


class Annotation(TypedDict, total=False):
    """What `labels.csv` says of one file, under the field names of `Clip`."""

    label: Label
    domain: Domain
    section: str
    attributes: str


def read_labels(machine_folder: Path) -> dict[str, Annotation]:
    """`labels.csv` of a machine: `test/0001` or `0001` -> what it says; {} when there is none.

    Raises: AsdzooError that names every faulty line, for a missing or unknown column and for a cell with a value that is not
    allowed.
    """
    path = machine_folder / LABELS
    if not path.exists():
        return {}
    table = read_table(path)
    lines = [(line, row) for line, row in table if any(row)]
    header = [_heading(cell) for cell in lines[0][1]] if lines else []
    if not {"file_name", "label"} <= set(header):
        raise AsdzooError(f"{path} lacks the column file_name or label", _FORM)
    if odd := [column for column in header if column and column not in _COLUMNS]:
        raise AsdzooError(f"{path} has the unknown column {odd[0]!r}", _FORM)
    annotations: dict[str, Annotation] = {}
    faults: list[str] = []
    for line, row in lines[1:]:
        said = {column: cell for column, cell in zip(header, row, strict=False) if cell and column}
        name = said.pop("file_name", "")
        key = _key_of_row(name, machine_folder.name)
        faults += [f"line {line}: {fault}" for fault in _made_plain(said)]
        if key in annotations or not name:
            faults.append(f"line {line}: " + (f"{name} stands twice" if name else "no file name"))
        else:
            annotations[key] = cast(Annotation, said)
    if faults:
        allowed = "label is normal or anomaly (or ok/ng, 0/1), domain is source or target, each file stands once"
        raise AsdzooError(f"{path} {'; '.join(faults[:_MOST_FAULTS])}{_and_more(len(faults))}", allowed)
    return annotations


def _and_more(count: int) -> str:
    return f"; and {count - _MOST_FAULTS} more faulty lines" if count > _MOST_FAULTS else ""


def _heading(cell: str) -> str:
    return cell.casefold().replace(" ", "_").replace("-", "_").replace("filename", "file_name")


def _made_plain(said: dict[str, str]) -> list[str]:
    """Put the words of a row in the form that `Clip` has, and say which are not allowed."""
    faults = []
    words: dict[str, Callable[[str], str | None]] = {
        "label": lambda word: _NUMBERS.get(word) or label_of_folder(word),
        "domain": domain_of_folder,
    }
    for column, meaning in words.items():
        if column in said:
            plain = meaning(said[column])
            if plain is None:
                faults.append(f"{column} is {said[column]!r}")
            said[column] = plain or ""
    if said.get("section", "").isdigit():
        said["section"] = said["section"].zfill(2)
    return faults


def _key_of_row(name: str, machine: str) -> str:
    *folders, last = name.replace("\\", "/").split("/")
    splits = [position for position, folder in enumerate(folders) if split_folder(folder)]
    if splits:
        folders = [split_folder(folders[splits[-1]]) or "", *folders[splits[-1] + 1 :]]
    elif machine in folders:
        folders = folders[folders.index(machine) + 1 :]
    return "/".join([*(folder for folder in folders if folder not in ("", ".")), bare_name(last)])


def labelled(
    clips: Sequence[tuple[str, Clip]], labels: Mapping[str, Annotation], machine_folder: Path
) -> tuple[list[Clip], list[Problem]]:
    """The clips (each with its split folder's name) with what `labels` says of them, and what is odd about it."""
    if not labels:
        return [clip for _, clip in clips], []
    chosen: dict[int, str] = {}
    for number, (folder, clip) in enumerate(clips):
        key = next((key for key in _keys(folder, clip) if key in labels), None)
        if key is not None:
            chosen[number] = key
    written: dict[str, list[str]] = {}  # what no file is called to the letter, by what is left without case and zeros
    for key in set(labels) - set(chosen.values()):
        written.setdefault(_loosely(key), []).append(key)
    for number, (folder, clip) in enumerate(clips):
        if number not in chosen and written:
            loose = next((written[key] for key in map(_loosely, _keys(folder, clip)) if key in written), [])
            if len(loose) == 1:
                chosen[number] = loose[0]
    used = set(chosen.values())
    of_namesakes = _of_namesakes(clips, chosen)
    chosen = {number: key for number, key in chosen.items() if number not in of_namesakes}
    problems = []
    if twice := sorted(used - set(chosen.values())):
        sentence = f"labels {len(twice)} test recording(s) twice, and the row with the folder is believed: {listed(twice)}"
        problems.append(Problem("warning", machine_folder / LABELS, sentence))
    if absent := sorted(set(labels) - used):
        sentence = f"names {len(absent)} file(s) that are not there, first {shown(Path(absent[0]))}"
        problems.append(Problem("warning", machine_folder / LABELS, sentence))
    both = [(clip, labels[chosen[n]].get("label")) for n, (_, clip) in enumerate(clips) if n in chosen]
    if odd := [clip for clip, label in both if label and clip.label not in (None, label)]:
        names = listed([shown(Path(clip.name)) for clip in odd])
        sentence = f"says otherwise than name or folder of {len(odd)} recording(s), and is believed: {names}"
        problems.append(Problem("warning", machine_folder / LABELS, sentence))
    return [replace(clip, **labels[chosen[n]]) if n in chosen else clip for n, (_, clip) in enumerate(clips)], problems


def _of_namesakes(clips: Sequence[tuple[str, Clip]], chosen: Mapping[int, str]) -> set[int]:
    """The clips whose row names no split folder and means a test recording of that name."""
    tested = [(number, folder, clip) for number, (folder, clip) in enumerate(clips) if clip.split == "test"]
    meant = {chosen[number] for number, _, _ in tested if number in chosen}
    meant |= {key for _, folder, clip in tested for key in _keys(folder, clip)}
    others = {number: key for number, key in chosen.items() if clips[number][1].split != "test"}
    return {number for number, key in others.items() if key in meant and split_folder(key.split("/")[0]) is None}


def _keys(folder: str, clip: Clip) -> list[str]:
    """What a row may call this clip, the fullest name first."""
    parts = [folder, *filter(None, clip.below.split("/")), bare_name(clip.path.name)]
    return ["/".join(parts[start:]) for start in range(len(parts))] + [f"{folder}/{parts[-1]}"]


def _loosely(key: str) -> str:
    *folders, name = unicodedata.normalize("NFC", key).casefold().split("/")
    return "/".join([*folders, name.lstrip("0") or "0"] if name.isdigit() else [*folders, name])
