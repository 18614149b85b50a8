"""The pseudo-labels of a task on disk: `pseudo_labels.csv` in its folder, a row for each training clip that has one.

Columns: year, machine, section, domain, clip, pseudo_label. It is written before training begins and never changed: the name of
the folder says all that the labels depend on.
"""

import csv
import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch

from zoo.data.clips import Clip
from zoo.data.store import WaveformStore
from zoo.errors import AsdzooError
from zoo.files import write_text
from zoo.pseudo_labels import pseudo_labels, untold
from zoo.running.plan import Task

FILE = "pseudo_labels.csv"
COLUMNS = ("year", "machine", "section", "domain", "clip", "pseudo_label")
Key = tuple[str, str, str, str]  # year, machine, section, clip


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
        known = read_pseudo_labels(path) if path.exists() else {}
    except AsdzooError:  # cut off or edited: made again
        known = {}
    if {_key(clip) for clip in wanted} == set(known):
        return replace(task, told={clip: known[_key(clip)] for clip in wanted})
    told = pseudo_labels(task.learnt, system.config.pseudo, system.config.classes, system.hearing, store, device)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for clip in wanted:
        writer.writerow([clip.year, clip.machine, clip.section, clip.domain or "", clip.name, told[clip]])
    folder.mkdir(parents=True, exist_ok=True)
    write_text(path, text.getvalue())
    return replace(task, told=told)


def read_pseudo_labels(path: Path) -> Mapping[Key, str]:
    """Pseudo-label of each clip. Raises: AsdzooError when the file is none of ours."""
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines(), strict=True))
        return {(row["year"], row["machine"], row["section"], row["clip"]): row["pseudo_label"] for row in rows}
    except (OSError, UnicodeDecodeError, csv.Error, KeyError) as problem:
        raise AsdzooError(f"{path} is damaged: {problem!r}", "delete it and run `asdzoo train-all` again") from problem


def _key(clip: Clip) -> Key:
    return clip.year, clip.machine, clip.section, clip.name
