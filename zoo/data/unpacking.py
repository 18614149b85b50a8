"""Archives that lie beside recordings: those whose recordings are not unpacked are named."""

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from zoo.data.names import AUDIO
from zoo.data.problems import Problem, shown
from zoo.errors import listed, typed

_LARGEST_DIRECTORY = 100_000  # members of a zip that are looked at


def packed_problems(paths: Sequence[Path], have: set[tuple[str, str]]) -> Iterator[Problem]:
    """One line about the archives that hold recordings that are not there; `have` is (machine, file name) of those that are."""
    packed = [path for path in paths if not _unpacked(path, have)]
    if packed:
        names = listed([shown(Path(path.name)) for path in packed])
        how = f"the cure: unzip {typed(shown(packed[0]))} -d {typed(shown(packed[0].parent))}"
        how = how if packed[0].suffix.lower() == ".zip" else ""
        sentence = f"{len(packed)} archive(s) are not unpacked and not read: {names}"
        yield Problem("warning", packed[0].parent, f"{sentence}; {how}" if how else sentence)


def _unpacked(path: Path, have: set[tuple[str, str]]) -> bool:
    """Whether all recordings of an archive are there already, or it holds none; of other archives than zips nobody knows."""
    if path.suffix.lower() != ".zip":
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()[:_LARGEST_DIRECTORY]
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return False
    recordings = [PurePosixPath(name) for name in names if name.lower().endswith(AUDIO) and "__MACOSX" not in name]
    return all(any((part, name.name) in have for part in name.parts[:-1]) or _somewhere(name, have) for name in recordings)


def _somewhere(name: PurePosixPath, have: set[tuple[str, str]]) -> bool:
    """A zip without its machine's folder (train/x.wav) was unpacked into it."""
    return len(name.parts) <= 2 and any(name.name == other for _, other in have)
