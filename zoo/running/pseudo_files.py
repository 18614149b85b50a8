"""The pseudo-labels of a task on disk: `pseudo_labels.csv` in its folder, a row for each training clip that has one.

Columns: year, machine, section, domain, clip, pseudo_label. It is written before training begins and never changed: the name of
the folder says all that the labels depend on.
"""

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch

from zoo.data.store import WaveformStore
from zoo.errors import AsdzooError
from zoo.files import write_text
from zoo.pseudo_labels import pseudo_labels, untold
from zoo.running.plan import Task

FILE = "pseudo_labels.csv"
COLUMNS = ("year", "machine", "section", "domain", "clip", "pseudo_label")


class PseudoLabel(NamedTuple):
    """One row."""

    year: str
    machine: str
    section: str
    domain: str  # source, target, or "" where nobody tells
    clip: str
    label: str


def with_pseudo_labels(task: Task, folder: Path, store: WaveformStore, device: torch.device) -> Task:
    """The task with the pseudo-labels of its clips, from its folder, or made now and kept there; unchanged without any.

    Raises: AsdzooError when the encoder's weights are missing.
    """
    system = task.system
    if system.config.pseudo is None:
        return task
    wanted = [clip for part in untold(task.learnt, system.config.classes) for clip in part]
    if not wanted:
        return task
    path = folder / FILE
    try:
        known = {label[:-1]: label.label for label in read_pseudo_labels(path)} if path.exists() else {}
    except AsdzooError:  # cut off or edited: made again
        known = {}
    keys = [(clip.year, clip.machine, clip.section, clip.domain or "", clip.name) for clip in wanted]
    if set(keys) == set(known):
        return replace(task, told={clip: known[key] for clip, key in zip(wanted, keys, strict=True)})
    told = pseudo_labels(task.learnt, system.config.pseudo, system.config.classes, system.hearing, store, device)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(PseudoLabel(*key, told[clip]) for clip, key in zip(wanted, keys, strict=True))
    folder.mkdir(parents=True, exist_ok=True)
    write_text(path, text.getvalue())
    return replace(task, told=told)


def read_pseudo_labels(path: Path) -> list[PseudoLabel]:
    """The rows of a file. Raises: AsdzooError when the file is none of ours."""
    try:
        header, *rows = csv.reader(path.read_text(encoding="utf-8").splitlines(), strict=True)
        if tuple(header) != COLUMNS:
            raise ValueError("other columns")
        return [PseudoLabel(*row) for row in rows]
    except (OSError, ValueError, TypeError, csv.Error) as problem:
        raise AsdzooError(f"{path} is damaged: {problem}", "delete it and run `asdzoo train-all` again") from problem
