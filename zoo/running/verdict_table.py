"""Verdicts as a CSV that a spreadsheet opens, and to which a watcher appends.

Columns
-------
clip, recorded (local time), time_from (name or file), machine, section, system, score, calibrated, threshold, decision (OK or
ANOMALY), alarm (0 or 1), seconds, window_seconds, windows (START:SCORE of each window of a long recording, spaces between),
digest
"""

import csv
import io
import os
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from zoo.data.recorded import TimeFrom
from zoo.errors import AsdzooError, typed
from zoo.files import write_bytes
from zoo.running.verdicts import Verdict, Window

COLUMNS = (
    *("clip", "recorded", "time_from", "machine", "section", "system", "score", "calibrated", "threshold", "decision"),
    *("alarm", "seconds", "window_seconds", "windows", "digest"),
)


def as_record(verdict: Verdict) -> dict[str, Any]:
    """The columns of a verdict as JSON values; `windows` is a list."""
    decisions = {True: "ANOMALY", False: "OK"}
    windows = [{"start": one.start, "score": one.score, "decision": decisions[one.anomalous]} for one in verdict.windows]
    told = {name: getattr(verdict, name) for name in COLUMNS if hasattr(verdict, name)}
    told |= {"recorded": verdict.recorded.isoformat(), "decision": decisions[verdict.anomalous], "windows": windows}
    return {name: told[name] for name in COLUMNS}


def lines(verdicts: Iterable[Verdict]) -> str:
    """Verdicts as lines of CSV, without a heading."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for verdict in verdicts:
        record = as_record(verdict)
        windows = " ".join(f"{one.start:g}:{one.score!r}" for one in verdict.windows)
        writer.writerow((record | {"alarm": int(verdict.alarm), "windows": windows}).values())
    return text.getvalue()


def write_verdicts(verdicts: Iterable[Verdict], path: Path) -> None:
    """Write a table of verdicts, whole or not at all."""
    write_bytes(path, f"{','.join(COLUMNS)}\n{lines(verdicts)}".encode("utf-8", "surrogateescape"))


def append_verdicts(verdicts: Sequence[Verdict], path: Path) -> None:
    """Add lines to a table that `repaired` has looked at, on the disk before this returns."""
    with path.open("ab") as file:
        file.write(lines(verdicts).encode("utf-8", "surrogateescape"))
        file.flush()
        os.fsync(file.fileno())


def repaired(path: Path) -> list[Verdict]:
    """The verdicts of a table to be appended to, which is begun where it is not there; a line that was cut off is taken away.

    Raises: AsdzooError when it is another kind of file.
    """
    if not path.exists() or not path.stat().st_size:
        write_verdicts((), path)
        return []
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if whole:
        verdicts = _parsed(whole, path)
    if not whole or whole != data:
        if not whole and not ",".join(COLUMNS).encode().startswith(data):
            raise _no_table(path)
        write_bytes(path, whole or f"{','.join(COLUMNS)}\n".encode())
    return verdicts if whole else []


def read_verdicts(path: Path) -> list[Verdict]:
    """Raises: AsdzooError when there is no such table, or the file is something else."""
    if not path.is_file():
        raise AsdzooError(f"there is no table {path}", f"asdzoo score FOLDER --out {typed(path)} writes one")
    return _parsed(path.read_bytes(), path)


def _parsed(data: bytes, path: Path) -> list[Verdict]:
    try:
        rows = list(csv.reader(io.StringIO(data.decode("utf-8", "surrogateescape"), newline="")))
        if not rows or tuple(rows[0]) != COLUMNS:
            raise _no_table(path)
        return [_verdict(dict(zip(COLUMNS, row, strict=True))) for row in rows[1:]]
    except (csv.Error, ValueError, KeyError) as problem:
        raise AsdzooError(f"{path} is damaged: {problem}", "take the file away, or name another one") from problem


def _no_table(path: Path) -> AsdzooError:
    hint = "asdzoo score FOLDER --out FILE writes such a table; this file stays as it is"
    return AsdzooError(f"{path} is no table of scored recordings", hint)


def _verdict(row: dict[str, str]) -> Verdict:
    decided = {"ANOMALY": True, "OK": False}
    threshold = float(row["threshold"])
    cells = [cell.split(":") for cell in row["windows"].split()]
    windows = tuple(Window(float(start), float(score), float(score) > threshold) for start, score in cells)
    return Verdict(
        row["clip"], datetime.fromisoformat(row["recorded"]), cast(TimeFrom, row["time_from"]), row["machine"], row["section"],
        row["system"], float(row["score"]), float(row["calibrated"]), threshold, decided[row["decision"]],
        float(row["seconds"]), row["digest"], float(row["window_seconds"]), windows, row["alarm"] == "1",
    )  # fmt: skip
