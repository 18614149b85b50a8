"""A recording is decoded block by block, so that three hours need no more memory than ten seconds.

Every sample becomes int16; 16-bit PCM comes through bit by bit. What is wrong with the file is found on the way.
"""

import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from zoo.data.containers import Look, look
from zoo.data.problems import Problem

Samples = npt.NDArray[np.int16]
FULL_SCALE = 32768  # int16 value of amplitude 1.0
RATES = (1_000, 1_000_000)  # Hz: recorders have 8,000 to 500,000; outside of these the header is wrong
MOST_CHANNELS = 256
LONGEST = 24 * 3600.0  # seconds; a compressed file of a few kilobytes can claim more
LOUDEST = 16.0  # times full scale: floats beyond it are no amplitudes
_BLOCK = 1 << 18  # samples of all channels together
# Containers that say how long they are, so that a truncated one is found; the decoder knows others.
_CHECKED = ("WAV", "WAVEX", "RF64", "W64", "AIFF", "SVX", "AU", "CAF", "FLAC", "OGG", "MP3", "MPEG", "NIST", "VOC")
_SLACK_FRAMES = 575  # of an MP3: less than the smallest of its frames


class Decoding:
    """One recording, decoded by iterating over `blocks` once; `problems` is whole when they are at an end.

    `problems` with an error means that the blocks are worth nothing. Nothing is ever raised for a bad file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rate = 0  # Hz; 0 until it is known
        self.channels = 0
        self.frames = 0  # decoded so far
        self.problems: list[Problem] = []
        self.dead: list[int] = []  # channels in which nothing ever changes
        self.silent: list[int] = []  # of these, the channels that are zero

    @property
    def usable(self) -> bool:
        return all(problem.severity == "warning" for problem in self.problems)

    @property
    def seconds(self) -> float:
        return self.frames / self.rate if self.rate else 0.0

    def blocks(self) -> Iterator[Samples]:
        """Samples (frames, channels), int16."""
        try:
            yield from self._blocks()
        except (MemoryError, OverflowError):
            self._error("cannot be read: it asks for more memory than there is")
        except (OSError, soundfile.SoundFileError, ValueError, RuntimeError, TypeError) as problem:
            self._error(f"cannot be read: {_reason(problem)}")

    def _error(self, sentence: str) -> None:
        self.problems.append(Problem("error", self.path, sentence))

    def _warn(self, sentence: str) -> None:
        self.problems.append(Problem("warning", self.path, sentence))

    def _blocks(self) -> Iterator[Samples]:
        mode = self.path.stat().st_mode
        if not stat.S_ISREG(mode):  # opening a pipe would wait for somebody to write into it
            return self._error("is a folder, no recording" if stat.S_ISDIR(mode) else "is no regular file")
        with self.path.open("rb") as file:
            found = look(file)
        for sentence in found.warnings:
            self._warn(sentence)
        if found.error:
            return self._error(found.error)
        with _opened(self.path, found) as wav:
            if fault := _fault_of_header(wav):
                return self._error(fault)
            self.rate, self.channels = wav.samplerate, wav.channels
            scale = self._scale(wav, found)
            if scale is None:
                return None
            lowest, highest = np.zeros((2, self.channels), np.int16)
            for block in _read(wav, "int16" if wav.subtype == "PCM_16" else "float32"):
                if block.dtype == np.float32:
                    if not np.isfinite(block).all():
                        return self._error("holds NaN or infinite samples")
                    block = to_int16(block * np.float32(scale))
                if not self.frames:
                    lowest, highest = block.min(axis=0), block.max(axis=0)
                self.frames += len(block)
                if self.seconds > LONGEST:
                    return self._error(f"lasts longer than {LONGEST / 3600:g} hours: cut it into pieces")
                lowest, highest = np.minimum(lowest, block.min(axis=0)), np.maximum(highest, block.max(axis=0))
                yield block
            return self._finish(wav, lowest, highest)

    def _scale(self, wav: soundfile.SoundFile, found: Look) -> float | None:
        """What the samples are multiplied with: floats are looked at first, because some hold the values of 16-bit samples."""
        if wav.subtype not in ("FLOAT", "DOUBLE"):
            return 1.0
        peak, whole = 0.0, True
        with _opened(self.path, found) as ahead:
            for block in _read(ahead, "float32"):
                if not np.isfinite(block).all():
                    self._error("holds NaN or infinite samples")
                    return None
                peak = max(peak, float(np.abs(block).max()))
                whole = whole and bool((block == np.rint(block)).all())
        if peak > 1 and whole and peak <= FULL_SCALE:
            self._warn("holds whole numbers as floats, which are taken for the values of 16-bit samples")
            return 1 / FULL_SCALE
        if peak > LOUDEST:
            self._error(f"peaks at {peak:.3g} times full scale: its floats are no amplitudes from -1 to 1")
            return None
        if peak > 1:
            self._warn(f"peaks at {peak:.3g} times full scale and is clipped")
        return 1.0

    def _finish(self, wav: soundfile.SoundFile, lowest: Samples, highest: Samples) -> None:
        said = _frames_said(self.path, wav)
        if self.frames + (_SLACK_FRAMES if wav.format in ("MP3", "MPEG") else 0) < said:
            return self._error(f"is truncated: {self.frames} of {said} samples are there")
        if self.frames < said:
            self._warn(f"its header asks for {said - self.frames} samples more than there are")
        if not self.frames:
            return self._error("holds no samples")
        self.silent = [number for number in range(self.channels) if lowest[number] == 0 == highest[number]]
        constant = [number for number in range(self.channels) if lowest[number] == highest[number]]
        self.dead = constant if self.frames > 1 else self.silent  # one sample is no constant
        if len(self.silent) == self.channels:
            self._warn("is silent")
        elif len(self.dead) == self.channels:
            self._warn("is constant")
        elif self.dead:
            numbers = ", ".join(map(str, self.dead))
            self._warn(f"channel{'s' if len(self.dead) > 1 else ''} {numbers} of {self.channels} {_is(self.dead)} silent")
        return None


def _is(numbers: list[int]) -> str:
    return "are" if len(numbers) > 1 else "is"


def resampled(blocks: Iterator[Samples], decoding: Decoding, rate: int) -> Iterator[Samples]:
    """The blocks of a decoding at another rate (Hz), by soxr's high-quality setting; untouched when it is the same."""
    stream: Any = None
    before: Samples | None = None
    for block in blocks:
        if decoding.rate == rate:
            yield block
            continue
        stream = stream or soxr.ResampleStream(decoding.rate, rate, decoding.channels, dtype="float32", quality="HQ")
        if before is not None:
            yield to_int16(stream.resample_chunk(before.astype(np.float32) / FULL_SCALE))
        before = block
    if stream is not None and before is not None:
        yield to_int16(stream.resample_chunk(before.astype(np.float32) / FULL_SCALE, last=True))


def to_int16(waves: npt.NDArray[np.float32]) -> Samples:
    """Amplitudes in [-1, 1] as int16, rounded to nearest and clipped."""
    return np.clip(np.rint(waves * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def _opened(path: Path, found: Look) -> soundfile.SoundFile:
    if found.patches:
        return soundfile.SoundFile(_Patched(path, found.patches))
    return soundfile.SoundFile(path if os.name == "nt" else os.fsencode(path))  # a name that is no UTF-8 has bytes all the same


def _read(wav: soundfile.SoundFile, dtype: str) -> Iterator[npt.NDArray[Any]]:
    frames = max(_BLOCK // wav.channels, 1)
    while True:
        try:
            block = wav.read(frames, dtype=dtype, always_2d=True)
        except soundfile.SoundFileError:  # FLAC that ends too early; what was read so far is counted
            return
        if len(block):
            yield block
        if len(block) < frames:
            return


def _fault_of_header(wav: soundfile.SoundFile) -> str:
    if not RATES[0] <= wav.samplerate <= RATES[1]:
        return f"says a sample rate of {wav.samplerate} Hz, which is outside of {RATES[0]} to {RATES[1]}"
    if not 1 <= wav.channels <= MOST_CHANNELS:
        return f"says {wav.channels} channels, more than {MOST_CHANNELS}"
    if wav.format not in _CHECKED:
        return f"is {wav.format_info}, of which nobody can say whether it is whole: convert it to wav"
    return ""


def _frames_said(path: Path, wav: soundfile.SoundFile) -> int:
    """How many frames the header gives; 0 where it does not."""
    if wav.format == "NIST":
        with path.open("rb") as file:
            for line in file.read(1024).split(b"\n"):
                if line.startswith(b"sample_count -i ") and line[16:].strip().isdigit():
                    return int(line[16:])
        return 0
    return wav.frames if wav.format in ("FLAC", "MP3", "MPEG") and wav.frames < 1 << 62 else 0


def _reason(problem: Exception) -> str:
    if isinstance(problem, OSError) and problem.strerror:
        return problem.strerror
    return str(getattr(problem, "error_string", problem)).strip().rstrip(".")


class _Patched(io.RawIOBase):
    """A file in which some bytes read as others."""

    def __init__(self, path: Path, patches: list[tuple[int, bytes]]) -> None:
        super().__init__()
        self._file: BinaryIO = path.open("rb")
        self._patches = patches

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: Any) -> int:
        start = self._file.tell()
        view = memoryview(buffer).cast("B")
        data = bytearray(self._file.read(len(view)))
        for position, patch in self._patches:
            for number, byte in enumerate(patch):
                if 0 <= position + number - start < len(data):
                    data[position + number - start] = byte
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()
