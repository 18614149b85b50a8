"""Recordings that are given by hand, as paths or as arrays, made clips that a store can hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from zoo.data.clips import Clip
from zoo.data.names import parse_name
from zoo.data.store import WaveformStore
from zoo.data.wavs import write_wav
from zoo.errors import AsdzooError, unknown_name
from zoo.progress import Progress, unseen

Waves = str | Path | npt.NDArray[Any]
MOST_CHANNELS = 64  # of an array; more of them are samples


@dataclass(frozen=True)
class Given:
    """A clip in a folder of its own, and how its owner calls it: the path, or the number of the array."""

    clip: Clip
    name: str


def given_clips(
    waves: Waves | Sequence[Waves],
    folder: Path,
    sections: dict[str, list[str]],
    year: str,
    rate: int | None = None,
    machine: str | None = None,
    section: str | None = None,
) -> list[Given]:
    """One clip for each wave, in order, linked or written into `folder`.

    `sections` says which machines and sections there are. Where `machine` is not named it is the folder above the recording's
    split, as in the official trees, or the only one there is; where `section` is not, it is that of the challenge's name, or
    the only one. Arrays are (samples,) or (samples, channels): floats in [-1, 1], or int16.

    Raises: AsdzooError for a path that is no file, an array of another shape or type or without `rate` (Hz), and for a machine
    or section that is unknown or not clear.
    """
    every: list[Any] = [waves] if isinstance(waves, str | Path) or hasattr(waves, "shape") else list(waves)
    found = []
    for number, wave in enumerate(every):
        path = folder / f"{number:08d}.wav"
        if isinstance(wave, str | Path):
            source = Path(wave)
            if not source.is_file():
                raise AsdzooError(f"{source} is {'a folder, not a wav' if source.is_dir() else 'not there'}", "name a wav file")
            path.symlink_to(source.resolve())
            name = str(wave)
        else:
            source, name = None, str(number)
            write_wav(path, _samples(wave, number), _rate(rate))
        its_machine = machine if machine is not None else _machine(source, sections)
        if its_machine not in sections:
            raise unknown_name("machine", its_machine, sections)
        its_section = section if section is not None else _section(source, its_machine, sections[its_machine])
        if its_section not in sections[its_machine]:
            raise unknown_name(f"section of {its_machine}", its_section, sections[its_machine])
        found.append(Given(Clip(path, year, its_machine, its_section, "test"), name))
    return found


def open_given(given: Sequence[Given], folder: Path, progress: Progress = unseen) -> tuple[WaveformStore, list[str]]:
    """A store of these clips in `folder`, and a sentence on each one that is left out or odd, under its owner's name.

    Raises: AsdzooError when none can be read.
    """
    names = {one.clip.path: one.name for one in given}
    try:
        store = WaveformStore.open([one.clip for one in given], folder, progress=progress)
    except AsdzooError as problem:
        message = problem.message
        for path, name in names.items():
            message = message.replace(str(path), name)
        raise AsdzooError(message, "give recordings that can be read, or arrays") from problem
    left_out = {"error": ", and is left out", "warning": ""}
    return store, [f"{names[one.path]} {one.sentence}{left_out[one.severity]}" for one in store.problems if one.path in names]


def _rate(rate: int | None) -> int:
    if rate is None:
        raise AsdzooError("an array does not say its sample rate", "say it in Hz, for example rate=16000")
    if rate < 1:
        raise AsdzooError(f"the sample rate {rate} is no number of samples in a second", "say it in Hz, for example rate=16000")
    return int(rate)


def _samples(wave: Any, number: int) -> npt.NDArray[Any]:
    array = np.asarray(wave)
    if array.ndim not in (1, 2) or (array.ndim == 2 and array.shape[1] > MOST_CHANNELS):
        guess = " (channels come last: did you give (channels, samples)?)" if array.ndim == 2 else ""
        raise AsdzooError(
            f"wave {number} has shape {array.shape}, not (samples,) or (samples, channels){guess}",
            "give one array a clip; several clips are a list of arrays",
        )
    if array.dtype != np.int16 and not np.issubdtype(array.dtype, np.floating):
        raise AsdzooError(
            f"wave {number} holds {array.dtype}, not floats in [-1, 1] or int16", "convert it, as in wave / 32768"
        )
    return array if array.dtype == np.int16 else array.astype(np.float32)


def _machine(path: Path | None, sections: dict[str, list[str]]) -> str:
    if path is not None and (above := path.absolute().parent.parent.name) in sections:
        return above
    if len(sections) == 1:
        return next(iter(sections))
    raise AsdzooError(
        f"{path or 'an array'} does not say its machine", f"name it with machine=; known: {', '.join(sorted(sections))}"
    )


def _section(path: Path | None, machine: str, sections: list[str]) -> str:
    said = parse_name(path.name, path.parent.name) if path is not None else None
    if said is not None and said.section in sections:
        return said.section
    if len(sections) == 1:
        return sections[0]
    raise AsdzooError(f"{path or 'an array'} does not say its section of {machine}", f"section= {' or '.join(sections)}")
