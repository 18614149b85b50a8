"""Opening one wav, and saying what is wrong with it.

An *error* is a file that cannot be used and is left out; a *warning* is one that is used and that a person should look at.
"""

import os
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from zoo.data.clip import Clip
from zoo.data.problems import Problem

Samples = npt.NDArray[np.int16]
SAMPLE_RATE = 16_000  # Hz, of every year of the challenge
FULL_SCALE = 32768  # int16 value of amplitude 1.0
_UNKNOWN_SIZE = 0x7FFFF000  # programs that write into a pipe put a size at or above this into the header


@dataclass(frozen=True)
class Recording:
    """A decoded wav; `samples` is (frames, channels) and empty when a problem is an error."""

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
    """Decode a wav of any rate, width and channel count to int16; 16-bit PCM comes through bit by bit.

    Never raises for a bad file: an unreadable, empty, truncated or non-finite one comes back without samples, with an error.
    """
    try:
        fault = _header_fault(path)
        if fault:
            return _broken(path, fault)
        with soundfile.SoundFile(path) as wav:
            rate, exact = wav.samplerate, wav.subtype == "PCM_16"
            samples = wav.read(dtype="int16" if exact else "float32", always_2d=True)
    except (OSError, soundfile.SoundFileError) as problem:
        return _broken(path, f"cannot be read: {_reason(problem)}")
    if not len(samples):
        return _broken(path, "holds no samples")
    warnings = []
    if not exact:
        if not np.isfinite(samples).all():
            return _broken(path, "holds NaN or infinite samples")
        peak = float(np.abs(samples).max())
        if peak > 1:
            warnings.append(Problem("warning", path, f"peaks at {peak:.3g} times full scale and is clipped"))
        samples = to_int16(samples)
    if not samples.any():
        warnings.append(Problem("warning", path, "is silent"))
    return Recording(samples, rate, tuple(warnings))


def to_int16(waves: npt.NDArray[np.float32]) -> Samples:
    """Amplitudes in [-1, 1] as int16, rounded to nearest and clipped."""
    return np.clip(np.rint(waves * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def resample(samples: Samples, rate: int, wanted: int) -> Samples:
    """Samples (frames, channels) at another rate (Hz), by soxr's high-quality setting; untouched when it is the same."""
    if rate == wanted:
        return samples
    return to_int16(soxr.resample(samples.astype(np.float32) / FULL_SCALE, rate, wanted, quality="HQ"))


def write_wav(path: Path, samples: npt.NDArray[Any], rate: int) -> None:
    """Write samples (frames,) or (frames, channels) at a rate (Hz): int16 as it is, anything else as 32-bit floats."""
    soundfile.write(path, samples, rate, subtype="PCM_16" if samples.dtype == np.int16 else "FLOAT")


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


def _broken(path: Path, sentence: str) -> Recording:
    return Recording(np.empty((0, 0), np.int16), 0, (Problem("error", path, sentence),))


def _reason(problem: Exception) -> str:
    if isinstance(problem, OSError) and problem.strerror:
        return problem.strerror
    return str(getattr(problem, "error_string", problem)).strip().rstrip(".")


def _header_fault(path: Path) -> str:
    """ "" when the file is as long as its header says; libsndfile reads a truncated file without a word."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if not size:
            return "is empty (0 bytes)"
        if file.read(12)[:4] != b"RIFF":
            return ""
        while len(chunk := file.read(8)) == 8:
            name, length = struct.unpack("<4sI", chunk)
            if name == b"data":
                present = size - file.tell()
                if length < _UNKNOWN_SIZE and length > present:
                    return f"is truncated: {present} of {length} bytes are there"
                return ""
            file.seek(length + length % 2, os.SEEK_CUR)
    return ""
