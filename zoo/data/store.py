"""The waveform store: every recording decoded once, into int16 memory maps from which batches are slices.

On disk, one folder for each machine:

    2024-fan/
      index.json      rate, and for each recording: size and time of the file, samples, where they start in each channel's map
      channel_0.i16   the samples of channel 0 of all recordings, one after the other, little-endian
      channel_1.i16   the same of channel 1, where recordings have one (2026: 0 is the near microphone, 1 the far one)
    view_*.i16      views that were computed of the channels (`zoo/data/stored_views.py`)

A folder serves as long as each wanted recording still has the size and modification time that the index says, under the same
section, split and name; it may hold more than is wanted, and the data may move. Otherwise it is written anew.
"""

import json
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from filelock import FileLock
from torch import Tensor

from zoo.data.clips import Clip, Recordings
from zoo.data.problems import Problem
from zoo.data.stored_views import computed
from zoo.data.views import View
from zoo.data.wavs import FULL_SCALE, SAMPLE_RATE, Samples, read_wav, resample, without_duplicates
from zoo.errors import AsdzooError
from zoo.files import whole_folder, write_json
from zoo.progress import Progress, unseen

_FORM = 2  # of the folder; another number in an index means that it is written anew


class WaveformStore:
    """The waveforms of many recordings. `clips` are the readable ones, in the order given; indices count in them.

    lengths: samples of each clip, int64 (len(clips),). problems: what was left out, what was resampled, what looks odd.
    """

    def __init__(self, clips: list[Clip], entries: list["_Entry"], maps: list[list[Samples]], problems: list[Problem]) -> None:
        self.clips = clips
        self.problems = problems
        self.lengths = np.array([entry.samples for entry in entries], dtype=np.int64)
        self._entries = entries
        self._maps = maps  # of each clip's machine, one for each channel
        self._views: dict[View, WaveformStore] = {}
        self._folders: list[Path] = []  # of each clip's machine
        self._progress: Progress | None = None

    @classmethod
    def open(
        cls,
        clips: Iterable[Clip],
        folder: Path,
        rate: int = SAMPLE_RATE,
        workers: int | None = None,
        progress: Progress = unseen,  # recordings
    ) -> "WaveformStore":
        """Open the store of these clips in `folder`, decoding what is not there yet with `workers` threads (None: one a core).

        Recordings of another rate (Hz) are resampled. Broken ones and second ones of a name are left out and listed in
        `problems`. One process writes at a time; others wait.

        Raises: AsdzooError when no clip can be read, or the store cannot be written.
        """
        passed_over = clips.problems if isinstance(clips, Recordings) else []
        unique, problems = without_duplicates(clips)
        problems = [*passed_over, *problems]
        machines: dict[str, list[Clip]] = {}
        for clip in unique:
            machines.setdefault(_machine_key(clip), []).append(clip)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / ".lock"):
                opened = _open_machines(folder, machines, rate, workers or os.cpu_count() or 1, progress)
        except OSError as problem:
            raise AsdzooError(
                f"cannot write the waveform store {folder}: {problem.strerror or problem}",
                "it takes 2 bytes a sample and channel: free some space, or name another run folder with --run",
            ) from problem
        readable: dict[Clip, tuple[_Entry, list[Samples]]] = {}
        for machine in opened:
            problems += machine.problems
            readable |= {clip: (entry, machine.maps) for clip, entry in machine.entries.items() if entry.offsets}
        if unique and not readable:
            raise AsdzooError(f"none of the {len(unique)} recordings can be read; {problems[0]}", "see `asdzoo scan DATA`")
        kept = [clip for clip in unique if clip in readable]
        store = cls(kept, [readable[clip][0] for clip in kept], [readable[clip][1] for clip in kept], problems)
        store._folders = [folder / _machine_key(clip) for clip in kept]
        store._progress = progress
        return store

    def viewed(self, view: View) -> "WaveformStore":
        """The same clips as this view hears them, as the one channel of another store; computed views are made once and kept.

        Raises: AsdzooError when a machine's recordings lack a channel that the view needs.
        """
        if view in self._views:
            return self._views[view]
        maps: dict[Path, Samples] = {}
        entries, seen = [], []
        for clip, entry, channels, folder in zip(self.clips, self._entries, self._maps, self._folders, strict=True):
            view.require(len(entry.offsets), clip.machine, clip.name)
            if folder not in maps and view.channel is not None:
                maps[folder] = channels[view.channel]
            elif folder not in maps:
                maps[folder] = computed(folder, view, channels, self._progress)
            entries.append(entry._replace(offsets=[entry.offsets[view.needs - 1]]))
            seen.append([maps[folder]])
        return self._views.setdefault(view, WaveformStore(self.clips, entries, seen, self.problems))

    def batch(
        self,
        indices: Sequence[int] | npt.NDArray[np.integer[Any]],
        channel: int = 0,
        samples: int | None = None,
        starts: Sequence[int] | npt.NDArray[np.integer[Any]] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Waves (b, n), float32 in [-1, 1], and how many samples of each row are sound, int64 (b,).

        With `samples`, every row has that many: a longer clip is cut out from `starts` (default: its beginning), a shorter one
        is repeated from its beginning until the row is full. Without, clips keep their length (from `starts` on) and rows are
        filled up with zeros to the longest.

        Raises: AsdzooError when a clip has no such channel; ValueError when a cut would leave its clip.
        """
        rows = np.asarray(indices, dtype=np.int64)
        begins = np.zeros(len(rows), np.int64) if starts is None else np.asarray(starts, dtype=np.int64)
        lengths = self.lengths[rows] - begins
        if (begins < 0).any() or (lengths < (1 if samples is None else np.minimum(samples, self.lengths[rows]))).any():
            raise ValueError("a cut starts before its clip or ends after it")
        width = int(lengths.max(initial=0)) if samples is None else samples
        lengths = np.minimum(lengths, width)
        waves = np.empty((len(rows), width), np.float32)
        scale = np.float32(1 / FULL_SCALE)
        for wave, index, begin, length in zip(waves, rows.tolist(), begins.tolist(), lengths.tolist(), strict=True):
            offsets = self._entries[index].offsets
            if not 0 <= channel < len(offsets):
                clip = self.clips[index]
                raise View(f"channel:{channel}", channel, channel + 1).missing(len(offsets), clip.machine, clip.name)
            start = offsets[channel] + begin
            np.multiply(self._maps[index][channel][start : start + length], scale, out=wave[:length])
            if samples is None:
                wave[length:] = 0
            else:
                _repeat(wave, length)
        return torch.from_numpy(waves), torch.from_numpy(lengths if samples is None else np.full_like(lengths, width))


def _repeat(wave: npt.NDArray[np.float32], filled: int) -> None:
    """Fill a row with repetitions of its first `filled` samples, doubling what is copied each time."""
    while filled < len(wave):
        step = min(filled, len(wave) - filled)
        wave[filled : filled + step] = wave[:step]
        filled += step


class _Entry(NamedTuple):
    """One recording in `index.json`."""

    size: int  # of the file, bytes
    mtime: int  # of the file, nanoseconds
    rate: int  # of the file, Hz; 0 when it is broken
    samples: int  # in the store
    offsets: list[int]  # sample at which it starts in each channel's map; empty when it is broken
    problems: list[list[str]]  # [severity, sentence]


@dataclass(frozen=True)
class _Machine:
    entries: dict[Clip, _Entry]
    maps: list[Samples]
    problems: list[Problem]


def _open_machines(
    folder: Path, machines: dict[str, list[Clip]], rate: int, workers: int, progress: Progress
) -> list[_Machine]:
    indices = {name: _valid_index(folder / name, clips, rate) for name, clips in machines.items()}
    missing = [name for name, index in indices.items() if index is None]
    done, total = 0, sum(len(machines[name]) for name in missing)

    def advance() -> None:
        nonlocal done
        done += 1
        progress(done, total)

    if missing:
        for leftover in folder.glob(".partial-*"):  # of a killed process: the lock is ours, so nobody is writing
            shutil.rmtree(leftover, ignore_errors=True)
        with ThreadPoolExecutor(workers) as pool:
            for name in missing:
                shutil.rmtree(folder / name, ignore_errors=True)  # stale; gone first, so that two never share the disk
                indices[name] = _write(folder / name, machines[name], rate, pool, workers, advance)
    return [_open_machine(folder / name, machines[name], index or {}, rate) for name, index in indices.items()]


def _machine_key(clip: Clip) -> str:
    return f"{clip.year}-{clip.machine}"


def _key(clip: Clip) -> str:
    return f"{clip.section}/{clip.split}/{clip.name}"  # what `without_duplicates` makes unique within a machine


def _stamp(clip: Clip) -> tuple[int, int]:
    """Size and modification time; zeros for a file that is gone or out of reach, which `read_wav` then reports."""
    try:
        status = clip.path.stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def _valid_index(folder: Path, clips: Sequence[Clip], rate: int) -> dict[str, _Entry] | None:
    """The index of a machine's folder when it serves for these clips at this rate, else `None`."""
    try:
        index = json.loads((folder / "index.json").read_text())
        if index["form"] != _FORM or index["rate"] != rate:
            return None
        if any(_map_path(folder, channel).stat().st_size != 2 * length for channel, length in enumerate(index["lengths"])):
            return None
        entries = {key: _Entry(*entry) for key, entry in index["files"].items()}
        return entries if all(_stamp(clip) == entries[_key(clip)][:2] for clip in clips) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _map_path(folder: Path, channel: int) -> Path:
    return folder / f"channel_{channel}.i16"


def _write(
    folder: Path, clips: Sequence[Clip], rate: int, pool: ThreadPoolExecutor, workers: int, advance: Callable[[], None]
) -> dict[str, _Entry]:
    """Decode a machine's clips into its folder; only as many as there are threads are in memory at a time."""
    entries: dict[str, _Entry] = {}
    with whole_folder(folder) as aside, ExitStack() as files:
        maps: list[Any] = []
        lengths: list[int] = []
        for clip, (samples, entry) in _in_order(pool, lambda clip: _decode(clip, rate), clips, 2 * workers):
            for channel in range(len(maps), samples.shape[1]):
                maps.append(files.enter_context(_map_path(aside, channel).open("wb")))
                lengths.append(0)
            entries[_key(clip)] = entry._replace(offsets=lengths[: samples.shape[1]])
            for channel in range(samples.shape[1]):
                maps[channel].write(np.ascontiguousarray(samples[:, channel], dtype="<i2"))
                lengths[channel] += len(samples)
            advance()
        write_json(aside / "index.json", {"form": _FORM, "rate": rate, "lengths": lengths, "files": entries})
    return entries


def _decode(clip: Clip, rate: int) -> tuple[Samples, _Entry]:
    size, mtime = _stamp(clip)
    recording = read_wav(clip.path)
    samples = resample(recording.samples, recording.rate, rate) if recording.usable else recording.samples
    problems = [[problem.severity, problem.sentence] for problem in recording.problems]
    return samples, _Entry(size, mtime, recording.rate, len(samples), [], problems)


def _in_order(
    pool: ThreadPoolExecutor, work: Callable[[Clip], Any], clips: Iterable[Clip], ahead: int
) -> Iterator[tuple[Clip, Any]]:
    """Each clip and what `work` gives for it, in order, never more than `ahead` of them computed in advance."""
    waiting: deque[tuple[Clip, Future[Any]]] = deque()
    for clip in clips:
        waiting.append((clip, pool.submit(work, clip)))
        if len(waiting) > ahead:
            first, future = waiting.popleft()
            yield first, future.result()
    for clip, future in waiting:
        yield clip, future.result()


def _open_machine(folder: Path, clips: Sequence[Clip], index: dict[str, _Entry], rate: int) -> _Machine:
    entries = {clip: index[_key(clip)] for clip in clips}
    paths = [_map_path(folder, channel) for channel in range(max((len(entry.offsets) for entry in index.values()), default=0))]
    maps = [np.asarray(np.memmap(path, dtype="<i2", mode="r")) for path in paths]
    problems = [
        Problem("error" if severity == "error" else "warning", clip.path, sentence)
        for clip, entry in entries.items()
        for severity, sentence in entry.problems
    ]
    others = sorted({entry.rate for entry in entries.values()} - {0, rate})
    for other in others:
        count = sum(entry.rate == other for entry in entries.values())
        sentence = f"{count} recordings of {clips[0].machine} have {other} Hz and are resampled to {rate} Hz"
        problems.append(Problem("warning", clips[0].machine_folder, sentence))
    return _Machine(entries, maps, problems)
