"""One whole recording in memory, and what is wrong with it; `zoo.data.decoding` reads it block by block."""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from zoo.data.clip import Clip
from zoo.data.decoding import Decoding, Samples
from zoo.data.problems import Problem

SAMPLE_RATE = 16_000  # Hz, of every year of the challenge


@dataclass(frozen=True)
class Recording:
    """A decoded recording; `samples` is (frames, channels) and empty when a problem is an error."""

    samples: Samples
    rate: int  # Hz
    problems: tuple[Problem, ...] = ()

    @property
    def usable(self) -> bool:
        return all(problem.severity == "warning" for problem in self.problems)

    @property
    def channels(self) -> int:
        return int(self.samples.shape[1])

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate if self.rate else 0.0


def read_wav(path: Path) -> Recording:
    """Decode a recording of any rate, width, format and channel count to int16; 16-bit PCM comes through bit by bit.

    Never raises for a bad file: an unreadable, empty, truncated or non-finite one comes back without samples, with an error.
    """
    decoding = Decoding(path)
    blocks = []
    try:
        blocks = list(decoding.blocks())
        samples = np.concatenate(blocks) if blocks else np.empty((0, 0), np.int16)
    except MemoryError:
        decoding.problems.append(Problem("error", path, "is too long to be held in memory as a whole"))
    if not decoding.usable:
        return Recording(np.empty((0, 0), np.int16), 0, tuple(decoding.problems))
    return Recording(samples, decoding.rate, tuple(decoding.problems))


def write_wav(path: Path, samples: npt.NDArray[Any], rate: int) -> None:
    """Write samples (frames,) or (frames, channels) at a rate (Hz): int16 as it is, anything else as 32-bit floats.

    Raises: OSError when the disk is full or read-only, which libsndfile does not say.
    """
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format="WAV", subtype="PCM_16" if samples.dtype == np.int16 else "FLOAT")
    path.write_bytes(buffer.getbuffer())


def seconds_said(path: Path) -> float | None:
    """How long a recording is by its header, None when it is gone or cannot be read; nothing is decoded."""
    try:
        return float(soundfile.info(path).duration)
    except (OSError, soundfile.SoundFileError):
        return None


def without_duplicates(clips: Iterable[Clip]) -> tuple[list[Clip], list[Problem]]:
    """The clips whose (year, machine, section, split, name) comes for the first time, and an error for each other one."""
    first: dict[tuple[str, ...], Clip] = {}
    problems = []
    for clip in clips:
        key = (clip.year, clip.machine, clip.section, clip.split, clip.name)
        if key in first:
            problems.append(Problem("error", clip.path, f"has the name of {first[key].path}, which is taken instead"))
        else:
            first[key] = clip
    return list(first.values()), problems
