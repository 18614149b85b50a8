"""Tables that stand beside the recordings of a machine: the challenge's `attributes_NN.csv` (`zoo.data.labels`: one's own).

Conventions
-----------
attributes_NN.csv  `file_name,d1p,d1v,d2p,d2v,...`: parameter, value, parameter, value. The file name comes with folders and
                   suffix (`bearing/test/section_00_..._001.wav`) or as a bare stem (ToyCar, ToyTrain); machines whose
                   attributes are hidden have no further columns. The table may be missing.
"""

import csv
import io
from pathlib import Path

from zoo.data.names import bare_name
from zoo.errors import AsdzooError

LABELS = "labels.csv"
_LARGEST = 64 << 20  # bytes of a table; a million recordings need less


def attribute_tables(machine_folder: Path) -> list[Path]:
    """The attribute CSVs of a machine, one for each section, sorted."""
    return sorted(machine_folder.glob("attributes_*.csv"))


def read_attribute_table(path: Path) -> dict[str, dict[str, str]]:
    """One attribute CSV: file name without folders and suffix -> {parameter: value}.

    A parameter that a row names twice (2026: `car_D2_spd_5_mic_2_mic_1`) keeps both values, as `mic` and `mic_2`.
    Raises: AsdzooError when the file is no text or no CSV.
    """
    attributes: dict[str, dict[str, str]] = {}
    for _, row in read_table(path):
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


def read_table(path: Path) -> list[tuple[int, list[str]]]:
    """Lines of a CSV as (line number, cells without blanks around them).

    Commas, semicolons or tabs, whichever the first line has most of; a spreadsheet's `sep=` line is obeyed; UTF-8, UTF-16 or
    cp1252. Raises: AsdzooError when the file is no text, no CSV, or too large.
    """
    hint = "repair the file or take it out of the folder"
    try:
        if path.stat().st_size > _LARGEST:
            raise AsdzooError(f"cannot read {path}: it is larger than {_LARGEST >> 20} MB", hint)
        text = _decoded(path.read_bytes())
        first, _, rest = text.partition("\n")
        start = 1
        if first.strip().casefold().startswith("sep=") and len(first.strip()) == 5:
            separator, text, start = first.strip()[4], rest, 2
        else:
            separator = max(",;\t", key=first.count)
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        return [(start + number, [cell.strip() for cell in row]) for number, row in enumerate(rows)]
    except (OSError, UnicodeError, csv.Error) as problem:
        raise AsdzooError(f"cannot read {path}: {problem}", hint) from problem


def _decoded(data: bytes) -> str:
    """Text of a CSV from any spreadsheet. Raises: UnicodeError when it is none."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = data.decode("utf-16")
    elif data[1:2] == b"\0" or data[:1] == b"\0":
        text = data.decode("utf-16-le" if data[1:2] == b"\0" else "utf-16-be")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("cp1252")
    if "\0" in text:
        raise UnicodeError("it is no text")
    return text
