"""The waveform store: every recording decoded once, into int16 memory maps from which batches are slices.

`zoo.data.stored` writes and checks what lies on disk.
"""

import os
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from filelock import FileLock
from torch import Tensor

from zoo.data.clips import Clip, Recordings
from zoo.data.decoding import FULL_SCALE, Samples
from zoo.data.problems import Problem
from zoo.data.space import Say, unsaid
from zoo.data.stored import Entry, machine_key, open_machines
from zoo.data.stored_views import Checksums, computed, told_by
from zoo.data.training_clips import degenerate
from zoo.data.views import View
from zoo.data.wavs import SAMPLE_RATE, without_duplicates
from zoo.errors import AsdzooError
from zoo.progress import Progress, unseen


class WaveformStore:
    """The waveforms of many recordings. `clips` are the readable ones, in the order given; indices count in them.

    lengths: samples of each clip, int64 (len(clips),). problems: what was left out, what was resampled, what looks odd.
    """

    def __init__(self, clips: list[Clip], entries: list[Entry], maps: list[list[Samples]], problems: list[Problem]) -> None:
        self.clips = clips
        self.problems = problems
        self.lengths = np.array([entry.samples for entry in entries], dtype=np.int64)
        self._entries = entries
        self._maps = maps  # of each clip's machine, one for each channel
        self._views: dict[View, WaveformStore] = {}
        self._view: View | None = None  # what it holds, where that is computed
        self._folders: list[Path] = []  # of each clip's machine
        self._progress: Progress | None = None
        self._sound: set[tuple[Path, int]] = set()  # (machine's folder, channel) of which it is known that there is sound
        self._checked: set[tuple[int, int]] = set()  # (index, channel) whose samples have their checksum

    @classmethod
    def open(
        cls,
        clips: Iterable[Clip],
        folder: Path,
        rate: int = SAMPLE_RATE,
        workers: int | None = None,
        progress: Progress = unseen,  # recordings
        say: Say = unsaid,  # how much is going to be decoded, where it is much
    ) -> "WaveformStore":
        """Open the store of these clips in `folder`, decoding what is not there yet with `workers` threads (None: one a core).

        Recordings of another rate (Hz) are resampled. Broken ones and second ones of a name are left out and listed in
        `problems`. One process writes at a time; others wait.

        Raises: AsdzooError when no clip can be read, or the store cannot be written, or the disk is too small.
        """
        passed_over = clips.problems if isinstance(clips, Recordings) else []
        unique, problems = without_duplicates(clips)
        problems = [*passed_over, *problems]
        machines: dict[str, list[Clip]] = {}
        for clip in unique:
            machines.setdefault(machine_key(clip), []).append(clip)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / ".lock"):
                opened = open_machines(folder, machines, rate, workers or os.cpu_count() or 1, progress, say)
        except OSError as problem:
            raise AsdzooError(
                f"cannot write the waveform store {folder}: {problem.strerror or problem}",
                "it takes 2 bytes a sample and channel: free some space, or name another run folder with --run",
            ) from problem
        readable: dict[Clip, tuple[Entry, list[Samples]]] = {}
        for machine in opened:
            good = {clip: entry for clip, entry in machine.entries.items() if entry.offsets}
            dead = {clip for clip, entry in good.items() if len(entry.dead) == len(entry.offsets)}
            left, said = degenerate({clip: entry.samples / rate for clip, entry in good.items()}, dead, machine.problems)
            problems += said
            readable |= {clip: (entry, machine.maps) for clip, entry in good.items() if clip not in left}
        if unique and not readable:
            raise AsdzooError(f"none of the {len(unique)} recordings can be read; {problems[0]}", "see `asdzoo scan DATA`")
        kept = [clip for clip in unique if clip in readable]
        store = cls(kept, [readable[clip][0] for clip in kept], [readable[clip][1] for clip in kept], problems)
        store._folders = [folder / machine_key(clip) for clip in kept]
        store._progress = progress
        return store

    def chosen(self, clips: Mapping[int, Clip]) -> "WaveformStore":
        """Only these of its recordings, by index, each as the clip that is given for it."""
        indices = list(clips)
        maps = [self._maps[index] for index in indices]
        store = WaveformStore(list(clips.values()), [self._entries[index] for index in indices], maps, self.problems)
        store._folders = [self._folders[index] for index in indices]
        store._progress = self._progress
        return store

    def cut(self, parts: Sequence[tuple[int, int, int]]) -> "WaveformStore":
        """Parts of its recordings, (index, first sample, samples) each, as recordings whose `below` is their number."""
        clips, entries = [], []
        for number, (index, first, samples) in enumerate(parts):
            entry = self._entries[index]
            clips.append(replace(self.clips[index], below=str(number)))
            entries.append(entry._replace(samples=samples, offsets=[offset + first for offset in entry.offsets], checksums=[]))
        store = WaveformStore(clips, entries, [self._maps[index] for index, _, _ in parts], [])
        store._folders = [self._folders[index] for index, _, _ in parts]
        return store

    def viewed(self, view: View) -> "WaveformStore":
        """The same clips as this view hears them, as the one channel of another store; computed views are made once and kept.

        Raises: AsdzooError when a machine's recordings lack a channel that the view needs.
        """
        if view in self._views:
            return self._views[view]
        maps: dict[Path, Samples] = {}
        made: dict[Path, Checksums] = {}
        entries, seen, place = [], [], view.needs - 1
        for clip, entry, channels, folder in zip(self.clips, self._entries, self._maps, self._folders, strict=True):
            other_year = clip.year if clip.year != self.clips[0].year else None
            view.require(len(entry.offsets), clip.machine, clip.name, other_year)
            if view.channel is not None:
                self._require_sound(view.channel, folder)
            if folder not in maps and view.channel is not None:
                maps[folder] = channels[view.channel]
            elif folder not in maps:
                maps[folder], made[folder] = computed(folder, view, channels, self._progress)
            checksums = []
            if entry.checksums:  # parts of recordings have none
                offset = entry.offsets[place]
                checksums = [entry.checksums[place] if view.channel is not None else made[folder].get(offset, -1)]
            entries.append(entry._replace(offsets=[entry.offsets[place]], checksums=checksums, dead=[]))
            seen.append([maps[folder]])
        store = WaveformStore(self.clips, entries, seen, self.problems)
        store._folders, store._view = self._folders, view if view.channel is None else None
        return self._views.setdefault(view, store)

    def _require_sound(self, channel: int, folder: Path) -> None:
        """Raises: AsdzooError when this channel of most recordings of a machine is silent, and another one is not."""
        if (folder, channel) in self._sound:
            return
        of_machine = [index for index, place in enumerate(self._folders) if place == folder]
        entries = [self._entries[index] for index in of_machine]
        dead = [entry for entry in entries if channel in entry.dead and len(entry.dead) < len(entry.offsets)]
        if len(dead) * 2 > len(entries):
            live = next(number for number in range(len(dead[0].offsets)) if number not in dead[0].dead)
            machine = self.clips[of_machine[0]].machine
            raise AsdzooError(
                f"channel {channel} is silent in {len(dead)} of {len(entries)} recordings of {machine}, channel {live} is not",
                f"hear the other one: --set input.channel={live}",
            )
        self._sound.add((folder, channel))

    def batch(
        self,
        indices: Sequence[int] | npt.NDArray[np.integer[Any]],
        channel: int = 0,
        samples: int | None = None,
        starts: Sequence[int] | npt.NDArray[np.integer[Any]] | None = None,
        most: int | None = None,
        stored: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Waves (b, n), float32 in [-1, 1], and how many samples of each row are sound, int64 (b,).

        Waves that are wanted as `stored` are int16, of which `in_floats` makes the same float32 where it is half the way.

        With `samples`, every row has that many: a longer clip is cut out from `starts` (default: its beginning), a shorter one
        is repeated from its beginning until the row is full. Without, clips keep their length (from `starts` on, but `most`
        samples at most) and rows are filled up with zeros to the longest.

        Raises: AsdzooError when a clip has no such channel; ValueError when a cut would leave its clip.
        """
        rows = np.asarray(indices, dtype=np.int64)
        begins = np.zeros(len(rows), np.int64) if starts is None else np.asarray(starts, dtype=np.int64)
        lengths = self.lengths[rows] - begins
        if (begins < 0).any() or (lengths < (1 if samples is None else np.minimum(samples, self.lengths[rows]))).any():
            raise ValueError("a cut starts before its clip or ends after it")
        if samples is None and most is not None:
            lengths = np.minimum(lengths, most)
        width = int(lengths.max(initial=0)) if samples is None else samples
        lengths = np.minimum(lengths, width)
        waves = np.empty((len(rows), width), np.int16 if stored else np.float32)
        scale = waves.dtype.type(1) if stored else np.float32(1 / FULL_SCALE)
        for wave, index, begin, length in zip(waves, rows.tolist(), begins.tolist(), lengths.tolist(), strict=True):
            offsets = self._entries[index].offsets
            if not 0 <= channel < len(offsets):
                clip = self.clips[index]
                raise View(f"channel:{channel}", channel, channel + 1).missing(len(offsets), clip.machine, clip.name)
            self._check(index, channel)
            start = offsets[channel] + begin
            np.multiply(self._maps[index][channel][start : start + length], scale, out=wave[:length])
            if samples is None:
                wave[length:] = 0
            else:
                _repeat(wave, length)
        return torch.from_numpy(waves), torch.from_numpy(lengths if samples is None else np.full_like(lengths, width))

    def _check(self, index: int, channel: int) -> None:
        """Hold what is stored against its checksum, when it is read for the first time."""
        entry, key = self._entries[index], (index, channel)
        if key in self._checked or not entry.checksums:
            return
        start = entry.offsets[channel]
        stored = self._maps[index][channel][start : start + entry.samples]
        if zlib.crc32(stored.data) != entry.checksums[channel]:
            folder = self._folders[index]
            of = f" ({self._view.name})" if self._view else ""
            told = folder / "index.json" if self._view is None else told_by(folder, self._view)
            told.unlink(missing_ok=True)  # so that it is written anew
            message = f"the stored samples of {self.clips[index].name}{of} in {folder} are damaged"
            anew = "decodes the recordings anew" if self._view is None else "computes the view anew"
            raise AsdzooError(message, f"run the same command again: it {anew}; the disk may be failing")
        self._checked.add(key)


def in_floats(waves: Tensor) -> Tensor:
    """Samples as they are stored, int16, as float32 in [-1, 1], on the device where they are; floats stay as they are.

    32768 is a power of two, so that every device gives the same numbers.
    """
    return waves.float() * (1 / FULL_SCALE) if waves.dtype == torch.int16 else waves


def _repeat(wave: npt.NDArray[Any], filled: int) -> None:
    """Fill a row with repetitions of its first `filled` samples, doubling what is copied each time."""
    while filled < len(wave):
        step = min(filled, len(wave) - filled)
        wave[filled : filled + step] = wave[:step]
        filled += step
