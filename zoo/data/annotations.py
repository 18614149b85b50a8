"""What stands beside the recordings of a machine: the challenge's `attributes_NN.csv`, and one's own `labels.csv`.

Conventions
-----------
attributes_NN.csv  `file_name,d1p,d1v,d2p,d2v,...`: parameter, value, parameter, value. The file name comes with folders and
                   suffix (`bearing/test/section_00_..._001.wav`) or as a bare stem (ToyCar, ToyTrain); machines whose
                   attributes are hidden have no further columns. The table may be missing.
labels.csv         `file_name,label` and, where wanted, `domain`, `section`, `attributes`; for recordings of one's own. An empty
                   cell says nothing. `test/0001.wav` tells the file from `train/0001.wav`, `0001.wav` means both.
"""

import csv
from pathlib import Path
from typing import TypedDict, cast

from zoo.data.names import SPLIT_FOLDERS, Domain, Label, bare_name
from zoo.errors import AsdzooError

LABELS = "labels.csv"


class Annotation(TypedDict, total=False):
    """What `labels.csv` says of one file, under the field names of `Clip`."""

    label: Label
    domain: Domain
    section: str
    attributes: str


def attribute_tables(machine_folder: Path) -> list[Path]:
    """The attribute CSVs of a machine, one for each section, sorted."""
    return sorted(machine_folder.glob("attributes_*.csv"))


def read_attribute_table(path: Path) -> dict[str, dict[str, str]]:
    """One attribute CSV: file name without folders and suffix -> {parameter: value}.

    A parameter that a row names twice (2026: `car_D2_spd_5_mic_2_mic_1`) keeps both values, as `mic` and `mic_2`.
    Raises: AsdzooError when the file is no text or no CSV.
    """
    attributes: dict[str, dict[str, str]] = {}
    for row in _rows(path):
        if not row or not row[0].strip() or row[0].strip() == "file_name":
            continue
        cells = [cell.strip() for cell in row[1:]]
        parameters: dict[str, str] = {}
        for parameter, value in zip(cells[::2], cells[1::2], strict=False):
            if parameter:
                parameters[_unused(parameter, parameters)] = value
        attributes[bare_name(row[0].strip())] = parameters
    return attributes


def _unused(parameter: str, taken: dict[str, str]) -> str:
    name, count = parameter, 1
    while name in taken:
        count += 1
        name = f"{parameter}_{count}"
    return name


def read_labels(machine_folder: Path) -> dict[str, Annotation]:
    """`labels.csv` of a machine: `test/0001` or `0001` -> what it says; {} when there is none.

    Raises: AsdzooError that names the line, for a missing or unknown column and for a cell with a value that is not allowed.
    """
    path = machine_folder / LABELS
    if not path.exists():
        return {}
    form = "the columns are file_name, label and, where wanted, domain, section, attributes"
    header, *rows = [[cell.strip() for cell in row] for row in _rows(path)] or [[]]
    if not {"file_name", "label"} <= set(header):
        raise AsdzooError(f"{path} lacks the column file_name or label", form)
    if odd := [column for column in header if column not in ("file_name", "label", "domain", "section", "attributes")]:
        raise AsdzooError(f"{path} has the unknown column {odd[0]!r}", form)
    annotations: dict[str, Annotation] = {}
    for line, row in enumerate(rows, start=2):
        said = {column: cell for column, cell in zip(header, row, strict=False) if cell}
        if not said:
            continue
        name = said.pop("file_name", "")
        for column, allowed in {"label": ("normal", "anomaly"), "domain": ("source", "target")}.items():
            if column in said and said[column] not in allowed:
                raise AsdzooError(
                    f"{path} line {line}: {column} is {said[column]!r}", f"write {' or '.join(allowed)}, or nothing"
                )
        folder = Path(name.replace("\\", "/")).parent.name
        key = f"{folder}/{bare_name(name)}" if folder in SPLIT_FOLDERS else bare_name(name)
        if key in annotations or not name:
            raise AsdzooError(f"{path} line {line}: " + (f"{name} stands twice" if name else "no file name"), form)
        annotations[key] = cast(Annotation, said)
    return annotations


def _rows(path: Path) -> list[list[str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            return list(csv.reader(lines))
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise AsdzooError(f"cannot read {path}: {problem}", "repair the file or take it out of the folder") from problem
