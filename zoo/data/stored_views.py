"""Views that are computed, kept in the waveform store: `view_NAME_1.i16` beside the channels of a machine.

Such a file holds all recordings of the machine's folder, at the places that they have in the last channel that the view needs:
when the folder is written anew, its views go with it. The number in the name goes up when a recipe changes.
"""

import json
import math
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
from zoo.files import whole_file

_VERSION = 1


def computed(folder: Path, view: View, channels: list[Samples], advance: Callable[[int, int], None] | None = None) -> Samples:
    """The samples of a view of all recordings of a machine's folder, int16; made now unless they are there.

    `advance` hears (recordings done, recordings to do). Raises: AsdzooError when the disk is full.
    """
    path = folder / f"view_{view.name}_{_VERSION}.i16"
    place = view.needs - 1  # recordings lie in the view as they lie in this channel
    size = len(channels[place])
    if not _serves(path, size):
        with FileLock(folder.parent / ".lock"):
            if not _serves(path, size):
                _write(path, view, channels, json.loads((folder / "index.json").read_text())["files"], advance)
    return np.asarray(np.memmap(path, dtype="<i2", mode="r"))


def _serves(path: Path, samples: int) -> bool:
    return path.exists() and path.stat().st_size == 2 * samples


def _write(
    path: Path, view: View, channels: list[Samples], files: dict[str, Any], advance: Callable[[int, int], None] | None
) -> None:
    recipe = view.recipe
    assert recipe is not None
    made = np.zeros(len(channels[view.needs - 1]), "<i2")
    entries = [(samples, offsets) for _, _, _, samples, offsets, *_ in files.values() if len(offsets) >= view.needs]
    for done, (samples, offsets) in enumerate(entries, start=1):
        waves = np.stack([channels[number][start : start + samples] for number, start in enumerate(offsets)])
        wave = recipe(torch.from_numpy(waves.astype(np.float32) / np.float32(FULL_SCALE))).numpy()
        made[offsets[view.needs - 1] :][:samples] = digital(wave)
        if advance:
            advance(done, len(entries))
    try:
        with whole_file(path) as aside:
            made.tofile(aside)
    except OSError as problem:
        raise AsdzooError(
            f"cannot write the view {view.name} to {path}: {problem.strerror or problem}",
            f"it takes {math.ceil(made.nbytes / 1e6)} MB: free some space, or name another run folder with --run",
        ) from problem


def digital(wave: NDArray[np.float32]) -> NDArray[np.int16]:
    """As 16-bit samples; what subtraction has made larger than full scale is brought down as a whole, not cut off."""
    peak = float(np.abs(wave).max(initial=0.0)) * FULL_SCALE
    scale = FULL_SCALE if peak < FULL_SCALE - 1 else FULL_SCALE * (FULL_SCALE - 1) / peak
    return np.asarray(np.rint(wave * np.float32(scale)), dtype="<i2")
