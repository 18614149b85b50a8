"""Bringing archives from their record onto the disk: download, checksum, test, unpack; and knowing what is here already.

    DATA/dcase2026t2/
      manifest.json                   of each archive: record, licence, md5, bytes, and the files that came out of it
      zips/dev_fan.zip(.part)         while it is fetched, and after that with `keep_zips`
      dev_data/raw/MACHINE/...        development set
      eval_data/raw/MACHINE/...       additional training and evaluation set, over each other

Every step leaves something whole: a download goes on within its `.part`, an archive is named `.zip` when its md5 is right, each
file is written aside, and the manifest names an archive when all its files are there. Stopped at any point, the
same call goes on.
"""

import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.config import Frozen
from zoo.data.archives import ArchiveError, Unpacked, check_zip, unpack, unpacked_bytes
from zoo.data.datasets import DataSet, Wanted
from zoo.data.manifest import Entry, Manifest, ZipKind, md5_of, one_at_a_time, size_of
from zoo.data.transfer import Client, NotThereError
from zoo.errors import AsdzooError, listed, typed

ZENODO = "https://zenodo.org"
UNPACKED_SHARE = (
    1.3  # bytes of recordings for each byte of zip, before its directory can be read; 16-bit sound packs to 0.8 to 0.9
)
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Watcher:
    """Whom to tell what happens."""

    say: Callable[[str], None] = lambda sentence: None
    warn: Callable[[str], None] = lambda sentence: None
    progress: Callable[[str, int, int | None], None] = lambda what, done, total: None  # bytes


class _Record(Frozen):
    licence: str | None
    files: dict[str, tuple[str | None, int | None]]  # file -> md5, bytes


@dataclass(frozen=True)
class _Job:
    wanted: Wanted
    md5: str | None
    bytes: int | None
    licence: str | None


@dataclass(frozen=True)
class _Fetching:
    """What one call of `fetch` works with."""

    dataset: DataSet
    root: Path
    manifest: Manifest
    client: Client
    base_url: str
    keep_zips: bool
    watcher: Watcher


def fetch(
    dataset: DataSet,
    wanted: Sequence[Wanted],
    to: Path,
    client: Client,
    base_url: str = ZENODO,
    keep_zips: bool = False,
    watcher: Watcher | None = None,
) -> int:
    """Have the recordings of these archives below `to / dataset.folder`; returns how many archives had something to be done.

    Raises: TransferError when the other side would not; ArchiveError; AsdzooError for a wrong checksum, a full disk, a second
    process. Whatever was done is kept.
    """
    watcher, root = watcher or Watcher(), to / dataset.folder
    with one_at_a_time(root):
        _name_superseded(dataset, [root / "zips", root, to], watcher)
        manifest = Manifest(root)
        todo = [one for one in wanted if not manifest.is_whole(one)]
        for one in wanted:
            if one not in todo:
                manifest.drop_zip(one.file)  # of a process that was stopped just before it did so
        if here := len(wanted) - len(todo):
            watcher.say(f"{here} of {len(wanted)} archive(s) are here already, whole: {root}")
        if not todo:
            return 0
        fetching = _Fetching(dataset, root, manifest, client, base_url.rstrip("/"), keep_zips, watcher)
        jobs = _ask_records(fetching, todo)
        _say_what_comes(dataset, jobs, root, watcher)
        _refuse_full_disk(jobs, root, keep_zips, client.again)
        for number, job in enumerate(jobs, start=1):
            _have(fetching, job, f"{number} of {len(jobs)}")
    return len(todo)


def _ask_records(fetching: _Fetching, todo: Sequence[Wanted]) -> list[_Job]:
    """md5 and bytes from the table, the rest from each record; where they differ the owners' wins, a mirror's does not."""
    records: dict[int, _Record] = {}
    for record in dict.fromkeys(one.record for one in todo):
        try:
            records[record] = _read_record(fetching.client.get_json(f"{fetching.base_url}/api/records/{record}"), record)
        except NotThereError:
            if fetching.base_url == ZENODO:
                raise
            fetching.watcher.warn(
                f"{fetching.base_url} says nothing about record {record}: what the table does not know is not checked"
            )
            records[record] = _Record(licence=None, files={})
    jobs = []
    for one in todo:
        record_md5, size = records[one.record].files.get(one.file, (None, None))
        if records[one.record].files and one.file not in records[one.record].files:
            raise AsdzooError(
                f"record {one.record} has no file {one.file} any more",
                f"see {ZENODO}/records/{one.record}: a new release needs a new line in configs/datasets.yaml",
            )
        if one.archive.md5 and record_md5 and record_md5 != one.archive.md5:
            said = f"{one.file}: the record's md5 is {record_md5}, the one known here is {one.archive.md5}"
            if fetching.base_url != ZENODO:
                raise AsdzooError(
                    f"{said}: {fetching.base_url} is no true copy", "leave --base-url out to fetch from the owners"
                )
            fetching.watcher.warn(f"{said}: it was replaced, or was noted wrongly; the record's is taken")
        md5 = record_md5 or one.archive.md5
        jobs.append(_Job(one, md5, size or one.archive.bytes, records[one.record].licence or fetching.dataset.licence))
    return jobs


def _read_record(value: Any, record: int) -> _Record:
    """What Zenodo's API says: `files[].key/.size/.checksum` ("md5:..."), `metadata.license.id`."""
    try:
        files: dict[str, tuple[str | None, int | None]] = {}
        for one in value["files"]:
            kind, _, checksum = str(one.get("checksum") or "").rpartition(":")
            files[str(one["key"])] = (checksum.lower() if kind in ("", "md5") and checksum else None, int(one["size"]))
        licence = (value.get("metadata") or {}).get("license") or {}
        return _Record(licence=str(licence["id"]) if licence.get("id") else None, files=files)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise AsdzooError(
            f"the answer about record {record} is not of Zenodo's form", "is --base-url right? without it the owners are asked"
        ) from None


def _say_what_comes(dataset: DataSet, jobs: Sequence[_Job], root: Path, watcher: Watcher) -> None:
    for record in dict.fromkeys(job.wanted.record for job in jobs):
        of_it = [job for job in jobs if job.wanted.record == record]
        licence = of_it[0].licence or f"not said; see {ZENODO}/records/{record}"
        parts = " and ".join(dict.fromkeys(job.wanted.part for job in of_it))
        watcher.say(f"{dataset.title}, {parts}, record {record}; licence: {licence}")
    known = [job.bytes for job in jobs if job.bytes is not None]
    size = readable(sum(known)) + ("" if len(known) == len(jobs) else f" and {len(jobs) - len(known)} of unknown size")
    watcher.say(f"to fetch: {len(jobs)} archive(s), {size}, into {root}")


def _refuse_full_disk(jobs: Sequence[_Job], root: Path, keep_zips: bool, again: str) -> None:
    """Sizes against the free space: all recordings, and the largest zip (all of them when they are kept)."""
    recordings, zips = 0, []
    for job in jobs:
        path, size = root / "zips" / job.wanted.file, job.bytes or 0
        if path.exists():
            with suppress(ArchiveError):  # said when its turn comes
                recordings += unpacked_bytes(path, job.wanted.machine_folder(root))
        else:
            zips.append(max(0, size - (size_of(_part(path)) or 0)))
            recordings += int(size * UNPACKED_SHARE)
    needed = recordings + (sum(zips) if keep_zips else max(zips, default=0))
    free = shutil.disk_usage(root).free
    if needed > free:
        raise AsdzooError(
            f"{root} has room for {readable(free)}, and this takes about {readable(needed)}",
            f"free some, name another disk by --to, or fetch machine by machine (--machine); then: {again}",
        )


def _have(fetching: _Fetching, job: _Job, at: str) -> None:
    """One archive, from wherever it was left to all its files in place."""
    wanted, root, manifest, watcher = job.wanted, fetching.root, fetching.manifest, fetching.watcher
    path, before = root / "zips" / wanted.file, manifest.entries.get(wanted.file)
    if path.exists():
        entry = _entry(
            job, _checked(fetching.dataset, job, path), path, "own" if before is None or before.zip == "gone" else before.zip
        )
        manifest.put(wanted.file, entry)
    else:
        entry = _download(fetching, job, path)
    try:
        check_zip(path, lambda done, total: watcher.progress(f"testing {wanted.file}", done, total))
    except ArchiveError as problem:
        if job.md5 is not None:
            sentence = f"{problem}, and its md5 is the record's"
            raise ArchiveError(sentence, "the record has it like that: tell its owners") from None
        if entry.zip != "own":
            path.unlink()  # nothing vouches for it
            raise ArchiveError(f"{problem}; it is thrown away", fetching.client.again) from None
        raise
    folder = wanted.machine_folder(root)
    inside = folder.relative_to(root).as_posix()
    done = unpack(
        path,
        folder,
        manifest.owners(inside, wanted.file),
        lambda done, total: watcher.progress(f"unpacking {wanted.file}", done, total),
    )
    files = {f"{inside}/{name}": size for name, size in done.files.items()}
    if hasattr(os, "sync"):
        os.sync()  # what the manifest calls whole is so after a power cut, too
    manifest.put(wanted.file, entry.model_copy(update={"files": files}))
    manifest.drop_zip(wanted.file)
    _say_done(wanted, done, folder, before, watcher, at)


def _download(fetching: _Fetching, job: _Job, path: Path) -> Entry:
    """Fetch into the `.part`, hold it against the md5, note it as ours, and name it `.zip`."""
    part, file, watcher = _part(path), job.wanted.file, fetching.watcher
    url = f"{fetching.base_url}/records/{job.wanted.record}/files/{file}"
    resumed = part.exists()
    while True:
        fetching.client.download(url, part, job.bytes, lambda done, total: watcher.progress(f"fetching {file}", done, total))
        md5 = md5_of(part)
        if job.md5 in (None, md5):
            entry = _entry(job, md5, part, "kept" if fetching.keep_zips else "passing")
            fetching.manifest.put(file, entry)
            part.replace(path)
            return entry
        part.unlink()  # a wrong byte would stay in it for ever
        if not resumed:
            sentence = f"{file} has md5 {md5}, its record says {job.md5}: it was damaged on the way, and is thrown away"
            raise AsdzooError(sentence, fetching.client.again)
        watcher.say(f"{file}: what was here before did not fit to the rest (md5 {md5}, not {job.md5}): from the beginning")
        resumed = False


def _entry(job: _Job, md5: str, path: Path, kind: ZipKind) -> Entry:
    return Entry(
        record=job.wanted.record,
        licence=job.licence,
        md5=md5,
        table_md5=job.wanted.archive.md5,
        bytes=path.stat().st_size,
        zip=kind,
    )


def _checked(dataset: DataSet, job: _Job, path: Path) -> str:
    """The md5 of a zip that lies there. Raises: AsdzooError when it is another file than the record's."""
    md5 = md5_of(path)
    if job.md5 not in (None, md5):
        old = [str(one) for one in dataset.parts[job.wanted.part].superseded if one.file is None]
        guess = f"it may be of {old[0]}" if old else "it is of another release, or damaged"
        cure = f"move it away: mv {typed(path)} {typed(f'{path}.old')}"
        raise AsdzooError(f"{path} has md5 {md5}, its record says {job.md5}: {guess}", cure)
    return md5


def _say_done(wanted: Wanted, done: Unpacked, folder: Path, before: Entry | None, watcher: Watcher, at: str) -> None:
    repaired = f" ({done.written} of them missing or not whole before)" if before and before.files and done.written else ""
    watcher.say(f"{at}: {wanted.file} is whole: {len(done.files)} files{repaired} in {folder}")
    if done.replaced:
        watcher.warn(f"{done.replaced} file(s) in {folder} were not as in {wanted.file} and are now")
    if done.left_out:
        watcher.warn(f"{wanted.file}: {listed(done.left_out)} lie(s) outside the folder of {wanted.machine} and is left out")
    for name, path in done.renamed.items():
        watcher.warn(f"{wanted.file}: its {name} differs from the one that is here, and stands beside it as {path}")


def _name_superseded(dataset: DataSet, folders: Sequence[Path], watcher: Watcher) -> None:
    for part in dataset.parts.values():
        for old in part.superseded:
            for folder in folders if old.file else ():
                if (folder / str(old.file)).exists():
                    watcher.warn(f"{folder} holds {old}: it is not used")


def readable(size: float) -> str:
    """Bytes for people.

    >>> readable(4_800_711_994), readable(722_655_322), readable(12)
    ('4.8 GB', '722.7 MB', '12 bytes')
    """
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size:.0f} bytes"


def _part(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")
