"""What a waveform store has on disk, one folder for each machine:

    2024-fan/
      index.json      rate, and for each recording: what tells its file from others, samples, where they start in each
                      channel's map, their checksums, what is wrong with it
      channel_0.i16   the samples of channel 0 of all recordings, one after the other, little-endian
      channel_1.i16   the same of channel 1, where recordings have one (2026: 0 is the near microphone, 1 the far one)

A folder serves as long as each wanted recording still has the path, size, times and hash of a few blocks that the index says,
or, where it was moved, copied or touched, the same bytes; under the same section, split and name. It may hold more
than is wanted. Otherwise it is written anew.
"""

import json
import os
import shutil
import tempfile
import zlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from zoo.data.clip import Clip
from zoo.data.decoding import Decoding, Samples, resampled
from zoo.data.identity import block_hash, content_hash, learn_content
from zoo.data.problems import Problem
from zoo.data.remembered import keep
from zoo.data.space import Say, require_space
from zoo.files import whole_folder, write_json
from zoo.progress import Progress

_FORM = 4  # of the folder; another number in an index means that it is written anew
_IN_MEMORY = 2 << 20  # bytes of a channel of one recording, about a minute; the rest waits on disk


class Entry(NamedTuple):
    """One recording in `index.json`. The order is part of the form; `zoo.data.stored_views` reads it too."""

    size: int  # of the file, bytes
    mtime: int  # of the file, nanoseconds
    rate: int  # of the file, Hz; 0 when it is broken
    samples: int  # in the store
    offsets: list[int]  # sample at which it starts in each channel's map; empty when it is broken
    problems: list[list[str]]  # [severity, sentence]
    path: str = ""  # of the file, links resolved
    blocks: str = ""  # hash of a few blocks of the file
    dead: list[int] = []  # noqa: RUF012  (a NamedTuple copies nothing, and nobody appends) channels in which nothing changes
    checksums: list[int] = []  # noqa: RUF012  CRC-32 of its samples in each channel
    content: str = ""  # hash of all bytes of the file
    changed: int = 0  # when the file's bytes, times, name or rights last changed (st_ctime), nanoseconds


@dataclass(frozen=True)
class Machine:
    """The opened folder of one machine."""

    entries: dict[Clip, Entry]
    maps: list[Samples]
    problems: list[Problem]


def open_machines(
    folder: Path, machines: dict[str, list[Clip]], rate: int, workers: int, progress: Progress, say: Say
) -> list[Machine]:
    """The folders of all machines, those written that do not serve. The caller holds the lock.

    Raises: OSError; AsdzooError when the disk is too small.
    """
    indices = {name: _valid_index(folder / name, clips, rate) for name, clips in machines.items()}
    missing = [name for name, index in indices.items() if index is None]
    done, total = 0, sum(len(machines[name]) for name in missing)

    def advance() -> None:
        nonlocal done
        done += 1
        progress(done, total)

    if missing:
        wanted = [clip for name in missing for clip in machines[name]]
        require_space(folder, wanted, rate, [folder / name for name in missing], say)
        for leftover in folder.glob(".partial-*"):  # of a killed process: the lock is ours, so nobody is writing
            shutil.rmtree(leftover, ignore_errors=True)
        with ThreadPoolExecutor(workers) as pool:
            for name in missing:
                shutil.rmtree(folder / name, ignore_errors=True)  # stale; gone first, so that two never share the disk
                indices[name] = _write(folder / name, machines[name], rate, pool, workers, advance)
    keep()
    return [_open_machine(folder / name, machines[name], index or {}, rate) for name, index in indices.items()]


def machine_key(clip: Clip) -> str:
    return f"{clip.year}-{clip.machine}"


def _key(clip: Clip) -> str:
    return f"{clip.section}/{clip.split}/{clip.name}"  # what `without_duplicates` makes unique within a machine


def _stamp(clip: Clip) -> tuple[int, int, int]:
    """Size, modification time and time of change; zeros for a file that is gone or out of reach: decoding reports it."""
    try:
        status = clip.path.stat()
    except OSError:
        return 0, 0, 0
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _valid_index(folder: Path, clips: Sequence[Clip], rate: int) -> dict[str, Entry] | None:
    """The index of a machine's folder when it serves for these clips at this rate, else `None`."""
    try:
        index = json.loads((folder / "index.json").read_text())
        if index["form"] != _FORM or index["rate"] != rate:
            return None
        if any(_map_path(folder, channel).stat().st_size != 2 * length for channel, length in enumerate(index["lengths"])):
            return None
        entries = {key: Entry(*entry) for key, entry in index["files"].items()}
        return entries if all(_is_of(entries[_key(clip)], clip) for clip in clips) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def why_useless(folder: Path) -> str:
    """Why a machine's folder can serve nobody any more; "" when it can."""
    try:
        index = json.loads((folder / "index.json").read_text())
        if index["form"] != _FORM:
            return "a store as an earlier version wrote it"
        gone = not any(Path(Entry(*entry).path).exists() for entry in index["files"].values())
        return "a store of recordings that are gone" if gone else ""
    except (OSError, ValueError, KeyError, TypeError):
        return "a store without a whole index"


def _is_of(entry: Entry, clip: Clip) -> bool:
    """Whether an entry is of this very file, or of one of the same bytes.

    Tools set times as they like (tar, rsync, `touch -r`), but not when they did so: where any of it is another, all bytes are
    read.
    """
    size, mtime, changed = _stamp(clip)
    if size != entry.size or block_hash(clip.path) != entry.blocks:
        return False
    if (mtime, changed, os.path.realpath(clip.path)) == (entry.mtime, entry.changed, entry.path):
        learn_content(clip.path, entry.content)
        return True
    return bool(entry.content) and content_hash(clip.path) == entry.content


def _map_path(folder: Path, channel: int) -> Path:
    return folder / f"channel_{channel}.i16"


def _write(
    folder: Path, clips: Sequence[Clip], rate: int, pool: ThreadPoolExecutor, workers: int, advance: Callable[[], None]
) -> dict[str, Entry]:
    """Decode a machine's clips into its folder; a few seconds of each clip that is in work are in memory."""
    entries: dict[str, Entry] = {}
    with whole_folder(folder) as aside, ExitStack() as files:
        maps: list[Any] = []
        lengths: list[int] = []
        decoded = files.enter_context(closing(_in_order(pool, lambda clip: _decode(clip, rate, aside), clips, 2 * workers)))
        for clip, (parts, entry) in decoded:
            for channel in range(len(maps), len(parts)):
                maps.append(files.enter_context(_map_path(aside, channel).open("wb")))
                lengths.append(0)
            entries[_key(clip)] = entry._replace(offsets=lengths[: len(parts)])
            with ExitStack() as opened:
                for channel, part in enumerate(map(opened.enter_context, parts)):
                    part.seek(0)
                    shutil.copyfileobj(part, maps[channel], 1 << 20)
                    lengths[channel] += entry.samples
            advance()
        write_json(aside / "index.json", {"form": _FORM, "rate": rate, "lengths": lengths, "files": entries})
    return entries


def _decode(clip: Clip, rate: int, aside: Path) -> tuple[list[Any], Entry]:
    """The channels of a recording at `rate` (Hz), each as a file that is in memory while it is short; none of a broken one."""
    size, mtime, changed = _stamp(clip)
    blocks, content = block_hash(clip.path), content_hash(clip.path)  # the decoder then reads from memory what this reads
    decoding = Decoding(clip.path)
    parts: list[Any] = []
    checksums: list[int] = []
    samples = 0
    for block in resampled(decoding.blocks(), decoding, rate):
        if not parts:
            parts = [tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=str(aside)) for _ in range(decoding.channels)]  # noqa: SIM115
            checksums = [0] * decoding.channels
        samples += len(block)
        for channel, part in enumerate(parts):
            column = block[:, channel].astype("<i2").tobytes()
            checksums[channel] = zlib.crc32(column, checksums[channel])
            part.write(column)
    problems = [[problem.severity, problem.sentence] for problem in decoding.problems]
    if decoding.usable and not samples:
        problems.append(["error", f"is so short that nothing of it is left at {rate} Hz"])
    if any(severity == "error" for severity, _ in problems):
        for part in parts:
            part.close()
        parts, samples, checksums = [], 0, []
    path = os.path.realpath(clip.path)
    return parts, Entry(
        size, mtime, decoding.rate, samples, [], problems, path, blocks, decoding.dead, checksums, content, changed
    )


def _in_order(
    pool: ThreadPoolExecutor, work: Callable[[Clip], tuple[list[Any], Entry]], clips: Iterable[Clip], ahead: int
) -> Generator[tuple[Clip, tuple[list[Any], Entry]]]:
    """Each clip and what `work` gives for it, in order, never more than `ahead` of them computed in advance."""
    waiting: deque[tuple[Clip, Future[tuple[list[Any], Entry]]]] = deque()
    try:
        for clip in clips:
            waiting.append((clip, pool.submit(work, clip)))
            if len(waiting) > ahead:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
    finally:
        for _, future in waiting:
            if not future.cancel() and future.exception() is None:
                for part in future.result()[0]:
                    part.close()


def _open_machine(folder: Path, clips: Sequence[Clip], index: dict[str, Entry], rate: int) -> Machine:
    entries = {clip: index[_key(clip)] for clip in clips}
    paths = [_map_path(folder, channel) for channel in range(max((len(entry.offsets) for entry in index.values()), default=0))]
    maps = [np.asarray(np.memmap(path, dtype="<i2", mode="r")) for path in paths]
    problems = [
        Problem("error" if severity == "error" else "warning", clip.path, sentence)
        for clip, entry in entries.items()
        for severity, sentence in entry.problems
    ]
    others = sorted({entry.rate for entry in entries.values() if entry.offsets} - {0, rate})
    for other in others:
        count = sum(entry.rate == other for entry in entries.values() if entry.offsets)
        sentence = f"{count} recordings of {clips[0].machine} have {other} Hz and are resampled to {rate} Hz"
        problems.append(Problem("warning", clips[0].machine_folder, sentence))
    return Machine(entries, maps, problems)
