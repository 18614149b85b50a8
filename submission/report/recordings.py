"""Where the recordings of a run lie, what their names say, and where their embeddings are."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

from zoo.data.clips import Clip, find_clips
from zoo.errors import AsdzooError
from zoo.running.embeddings import Embeddings
from zoo.running.folder import Run

K = TypeVar("K", str, tuple[str, str])


class Key(NamedTuple):
    """What a row of a score table says of its recording."""

    machine: str
    section: str
    split: str
    name: str


Recordings = Mapping[Key, Clip]


def find_recordings(run: Run) -> tuple[Recordings, list[str]]:
    """The recordings of a run, from its embeddings or else from its data folder; and what should be said of them."""
    paths = newest((run.folder / "systems").glob("*/*/embeddings/[!.]*.safetensors"), by=lambda path: path.stem)
    clips = [clip for path in paths.values() for clip in Embeddings.read(path).clips]
    notes: list[str] = []
    data = run.info().data
    if not clips and data is None:
        notes = ["no recording is shown or played: the run has no embeddings and run.json names no data folder"]
    elif not clips and data is not None:
        try:
            clips = find_clips(Path(data), run.info().year)
        except AsdzooError as problem:
            notes = [f"no recording is shown or played: {problem.message}"]
    return {Key(clip.machine, clip.section, clip.split, clip.name): clip for clip in clips}, notes


def embeddings_of(run: Run, system: str, machine: str) -> Embeddings | None:
    """Those of a system's clips of a machine, None where there are none."""
    paths = newest(run.system_folder(system).glob("*/embeddings/[!.]*.safetensors"), by=lambda path: path.stem)
    return Embeddings.read(paths[machine]) if machine in paths else None


def newest(paths: Iterable[Path], by: Callable[[Path], K]) -> dict[K, Path]:
    """The youngest file of each kind, in order: a run keeps the tasks of earlier configurations."""
    ordered = sorted(paths, key=lambda path: (path.stat().st_mtime_ns, path))
    return dict(sorted({by(path): path for path in ordered}.items()))
