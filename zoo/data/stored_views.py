"""Views that are computed, kept in the waveform store beside the channels of a machine:

    view_NAME_V.i16    the samples of all recordings of the folder, each at the place that it has in the last channel that the
                       view needs; V is the version that the view's module says
    view_NAME_V.json   of how many samples it is, and the checksum of each recording, by where it starts

A recipe that changes its numbers says another version: then the view is computed anew, and the earlier one goes. A file without
its JSON (of earlier stores) is computed anew as well. When the folder is written anew, its views go with it.
"""

import json
import math
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray

from zoo.data.decoding import FULL_SCALE, Samples
from zoo.data.views import View
from zoo.errors import AsdzooError
from zoo.files import whole_file, write_json

Checksums = dict[int, int]  # sample at which a recording starts -> CRC-32 of its samples


def computed(
    folder: Path, view: View, channels: list[Samples], advance: Callable[[int, int], None] | None = None
) -> tuple[Samples, Checksums]:
    """The samples of a view of all recordings of a machine's folder, int16, and their checksums; made now if need be.

    `advance` hears (recordings done, recordings to do). Raises: AsdzooError when the disk is full.
    """
    path = folder / f"view_{view.name}_{view.version}.i16"
    size = len(channels[view.needs - 1])  # recordings lie in the view as they lie in this channel
    checksums = _checksums(path, size)
    if checksums is None:
        with FileLock(folder.parent / ".lock"):
            checksums = _checksums(path, size)
            if checksums is None:
                files = json.loads((folder / "index.json").read_text())["files"]
                checksums = _write(path, view, channels, files, advance)
    return np.asarray(np.memmap(path, dtype="<i2", mode="r")), checksums


def told_by(folder: Path, view: View) -> Path:
    """The JSON of a view: without it the view is computed anew."""
    return folder / f"view_{view.name}_{view.version}.json"


def _checksums(path: Path, samples: int) -> Checksums | None:
    """Those of a view that serves for a channel of so many samples; None: it does not."""
    try:
        if path.stat().st_size != 2 * samples:
            return None
        told = json.loads(path.with_suffix(".json").read_text())
        return (
            {int(start): int(checksum) for start, checksum in told["checksums"].items()} if told["samples"] == samples else None
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _write(
    path: Path, view: View, channels: list[Samples], files: dict[str, Any], advance: Callable[[int, int], None] | None
) -> Checksums:
    recipe = view.recipe
    assert recipe is not None
    made, checksums = np.zeros(len(channels[view.needs - 1]), "<i2"), {}
    entries = [(samples, offsets) for _, _, _, samples, offsets, *_ in files.values() if len(offsets) >= view.needs]
    for done, (samples, offsets) in enumerate(entries, start=1):
        waves = np.stack([channels[number][start : start + samples] for number, start in enumerate(offsets)])
        wave = digital(recipe(torch.from_numpy(waves.astype(np.float32) / np.float32(FULL_SCALE))).numpy())
        start = offsets[view.needs - 1]
        made[start:][:samples], checksums[start] = wave, zlib.crc32(wave.data)
        if advance:
            advance(done, len(entries))
    for earlier in path.parent.glob(f"view_{view.name}_*"):
        if earlier.stem.rpartition("_")[0] == f"view_{view.name}":  # of another version, or of no use
            earlier.unlink(missing_ok=True)
    try:
        with whole_file(path) as aside:
            made.tofile(aside)
        write_json(
            path.with_suffix(".json"), {"samples": len(made), "checksums": {str(at): one for at, one in checksums.items()}}
        )
    except OSError as problem:
        raise AsdzooError(
            f"cannot write the view {view.name} to {path}: {problem.strerror or problem}",
            f"it takes {math.ceil(made.nbytes / 1e6)} MB: free some space, or name another run folder with --run",
        ) from problem
    return checksums


def digital(wave: NDArray[np.float32]) -> NDArray[np.int16]:
    """As 16-bit samples; what subtraction has made larger than full scale is brought down as a whole, not cut off."""
    peak = float(np.abs(wave).max(initial=0.0)) * FULL_SCALE
    scale = FULL_SCALE if peak < FULL_SCALE - 1 else FULL_SCALE * (FULL_SCALE - 1) / peak
    return np.asarray(np.rint(wave * np.float32(scale)), dtype="<i2")
