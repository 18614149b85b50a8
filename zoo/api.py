"""The Python door: what `import zoo` offers to notebooks and programs; `docs/python.md` shows it at work.

    run = zoo.train("data", systems=["nf_cdee"])            what `asdzoo train-all` does
    zoo.open_run("runs/default").score("pump.wav")          anomaly scores and decisions of recordings, or of arrays
    zoo.recordings("data")                                  a table of what lies in a folder

Everything returns pandas tables or numpy arrays. Bad input is an `AsdzooError` with a hint; what was left out or replaced is an
`AsdzooWarning`. Importing this is cheap: torch comes with the first call that needs it.
"""

from __future__ import annotations

import warnings
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from zoo.errors import AsdzooError, AsdzooWarning, unknown_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from zoo.data.given import Waves
    from zoo.running.judge import Judge
    from zoo.threshold import Method

__all__ = ["AsdzooError", "AsdzooWarning", "Run", "open_run", "recordings", "train"]

DEFAULT_DATA, DEFAULT_RUN = Path("data"), Path("runs/default")
SCORED = ["clip", "system", "machine", "section", "score", "calibrated", "threshold", "decision"]


def _warn(sentence: str) -> None:
    warnings.warn(sentence, AsdzooWarning, stacklevel=3)  # at the line that called the door


class Run:
    """A finished run. Networks and detectors stay loaded between calls; open the run again when it was trained anew."""

    def __init__(self, path: str | Path, device: str = "auto") -> None:
        """`device` is auto, cpu, cuda, cuda:1 or mps. Raises: AsdzooError when `path` is no run, or its run.json is damaged."""
        from zoo.running import folder

        self.path = Path(path)
        self._device = device
        self._folder = folder.Run(self.path).require()
        self._folder.info()

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}, systems={self.systems}, machines={sorted(self.machines)})"

    @property
    def systems(self) -> list[str]:
        """Names of the trained systems, sorted."""
        return sorted(self._folder.info().systems)

    @property
    def ensembles(self) -> list[str]:
        """Names of the ensembles that `asdzoo fuse` made, sorted."""
        from zoo.running.fusion_door import fusion

        return fusion().ensembles(self._folder)

    @cached_property
    def machines(self) -> dict[str, list[str]]:
        """Machines with their sections, that every trained system together knows."""
        found: dict[str, set[str]] = {}
        for system in self.systems:
            frame = self.scores(system)
            for machine, section in set(zip(frame["machine"], frame["section"], strict=True)):
                found.setdefault(machine, set()).add(section)
        return {machine: sorted(sections) for machine, sections in sorted(found.items())}

    @cached_property
    def _judge(self) -> Judge:
        from zoo.running.judge import Judge

        return Judge(self._folder, self._device)

    @property
    def marks(self) -> list[str]:
        """What a reader of this run's numbers must know, a sentence each."""
        from zoo.running.marks import sentences

        return sentences(self._folder.marks(), self._folder.cut())

    def scores(self, name: str) -> pd.DataFrame:
        """The score table of a system or an ensemble, a row a clip.

        Columns: system, year, machine, section, split (train, test), domain, label ("" where unknown), clip, score, calibrated.
        `score` has the detector's unit, larger is more anomalous; `calibrated` is in standard deviations of the normal training
        clips of the machine and section.

        Raises: AsdzooError for a name without scores, naming those there are.
        """
        known = self._folder.score_names()
        if name not in known:
            raise unknown_name("system or ensemble", name, known)
        return self._folder.scores(name).frame

    def embeddings(self, system: str, machine: str) -> tuple[NDArray[np.float32], pd.DataFrame]:
        """Embeddings float32 (n, parts, dim) of a machine's clips, and the n clips, with the columns of `recordings`.

        Raises: AsdzooError for a system or machine that the run does not know.
        """
        import numpy as np

        from zoo.data.clips import clip_table
        from zoo.running.embeddings import Embeddings
        from zoo.running.scorer import task_of

        found = Embeddings.read(task_of(self._folder, system, machine).embeddings(machine))
        return found.values.astype(np.float32), clip_table(found.clips)

    def score(
        self,
        waves: Waves | Sequence[Waves],
        *,
        rate: int | None = None,
        machine: str | None = None,
        section: str | None = None,
        systems: str | Sequence[str] | None = None,
        threshold: Method = "gamma",
        percentile: float = 90.0,
    ) -> pd.DataFrame:
        """Score recordings as if they had come after training; the run is not changed.

        waves       a wav file's path, an array (samples,) or (samples, channels) of floats in [-1, 1] or int16, or a list of
                    those. Other rates than the systems' 16 kHz are resampled
        rate        Hz, of arrays; files say their own
        machine     of all waves; needed where the folder above the file's split is not its name and the run has several
        section     of all waves; needed where the file's name does not say it and the machine has several
        systems     one or several systems or ensembles; by default all systems that were trained on the machine
        threshold   how the decision's threshold comes from the scores of normal training clips, and at which `percentile`
                    of them (0 to 100): gamma, normal, percentile. The defaults are those of `asdzoo submit`

        A table with a row for each system and wave: clip (the path, or the array's number), system, machine, section, score,
        calibrated, threshold (in the unit of score), decision (1: anomalous, score > threshold). Recordings that cannot be read
        are left out with an AsdzooWarning.

        Raises: AsdzooError for unknown names, unclear machines, wrong arrays, or when no recording can be read.
        """
        import pandas as pd

        from zoo.data.given import given_clips, open_given
        from zoo.running.display import Bars
        from zoo.running.scorer import judged

        names = [systems] if isinstance(systems, str) else list(self.systems if systems is None else systems)
        for name in names:
            if name not in self._folder.score_names():
                raise unknown_name("system or ensemble", name, self._folder.score_names())
        rows: list[pd.DataFrame] = []
        with TemporaryDirectory(prefix="asdzoo-") as aside, Bars() as bars:
            year = self._folder.info().year or ""
            given = given_clips(waves, Path(aside), self.machines, year, rate, machine, section)
            if not given:
                return pd.DataFrame(columns=SCORED)
            store, notes = open_given(given, Path(aside) / "waves", bars.counter("decoding"))
            for note in notes:
                _warn(note)
            parts = sorted({(clip.machine, clip.section) for clip in store.clips})
            advance, done = bars.counter("scoring"), 0
            for name in names:
                for part in parts:
                    if systems is None and not self._judge.knows(name, part[0]):
                        _warn(f"{name} was not trained on {part[0]}: left out")
                        continue
                    fresh, found = judged(self._judge.table(name, *part, store), threshold, percentile)
                    if found.note:
                        _warn(f"{name}, {' '.join(part)}: {found.note}")
                    rows.append(fresh)
                    done += 1
                    advance(done, len(names) * len(parts))
        table = pd.concat(rows, ignore_index=True)  # not empty: some system knows each machine
        order = table.assign(system=table["system"].map(names.index)).sort_values(["system", "clip"]).index
        called = {one.clip.name: one.name for one in given}
        return table.loc[order].assign(clip=table["clip"].map(called))[SCORED].reset_index(drop=True)

    def evaluate(self, names: Sequence[str] | None = None) -> pd.DataFrame:
        """Judge the scores by the official metric of the year, and write the run's evaluation.csv.

        Columns: system, machine, section, auc_source, auc_target, pauc, hmean, in fractions; per system one row with machine
        "all", whose hmean is the official score. No rows where no machine has labelled test clips. Sections that cannot be
        judged are an AsdzooWarning.

        Raises: AsdzooError for unknown names, or while another command writes to the run.
        """
        from zoo.running.fusion_door import fusion

        frame, notes = fusion().evaluate(self._folder, names)
        for note in notes:
            _warn(note)
        return frame


def open_run(path: str | Path = DEFAULT_RUN, device: str = "auto") -> Run:
    """A run that `train` or `asdzoo train-all` wrote.

    Raises: AsdzooError when there is none, or it is damaged.
    """
    return Run(path, device)


def train(
    data: str | Path = DEFAULT_DATA,
    systems: str | Sequence[str] | None = None,
    run: str | Path = DEFAULT_RUN,
    *,
    settings: Iterable[str] = (),
    groups: Mapping[str, str] | None = None,
    year: str | None = None,
    device: str = "auto",
    seed: int = 0,
    also: Iterable[str | Path] = (),
) -> Run:
    """Train systems on the recordings in a folder, score every clip, calibrate, and open the run; what is done is not redone.

    systems   names of `asdzoo list`, or paths of YAML files; None: what suits the recordings
    settings  "dotted.key=value" each, as `--set` takes them: "training.steps=100"
    groups    machines filed by hand: {"MyPump": "periodic"}
    year      of the challenge, or "own"; only needed when it is unclear
    also      folders of other years, whose normal training clips are learnt as well and never scored

    Raises: AsdzooError for wrong names, keys or recordings, for missing weights, and while another command writes to the run.
    """
    from zoo.data.clips import find_clips
    from zoo.data.groups import parse_assignments
    from zoo.data.problems import shortened
    from zoo.data.store import WaveformStore
    from zoo.running import folder
    from zoo.running.beside import with_other_years
    from zoo.running.display import Display
    from zoo.running.executors.here import Here
    from zoo.running.pipeline import train_all
    from zoo.running.prospects import chosen_systems
    from zoo.training.devices import accelerator_for

    names, settings = [systems] if isinstance(systems, str) else systems, list(settings)
    chosen_systems(names, settings, lambda note: None)  # wrong names are said before recordings are looked for
    filed = parse_assignments(f"{machine}={group}" for machine, group in (groups or {}).items())
    clips = with_other_years(find_clips(Path(data), year), folders := [Path(folder) for folder in also])
    chosen = chosen_systems(names, settings, _warn)
    opened = folder.Run(Path(run))
    with Display() as display:
        accelerator = accelerator_for(device)
        store = WaveformStore.open(
            clips, opened.folder.parent / ".waves", progress=display.counter("decoding"), say=display.note
        )
        said = shortened(store.problems)
        for sentence in said:
            display.note(sentence)
        executor = Here(store, accelerator)
        train_all(opened, chosen, store.clips, executor, seed, filed, "train", display.watcher, str(data), folders, said)
    return Run(run, device)


def recordings(folder: str | Path, year: str | None = None) -> pd.DataFrame:
    """The recordings in a folder, at any level of the official trees, a row each.

    Columns: path, year, machine, section, split (train, test, supplemental), domain, label, attributes, below (folders under
    train or test); None where neither the name nor a folder or table says it. `year` picks one where there are several.

    Raises: AsdzooError when there are none, or their year is not clear.
    """
    from zoo.data.clips import clip_table, find_clips
    from zoo.data.problems import shortened

    clips = find_clips(Path(folder), year)
    for sentence in shortened(clips.problems):
        _warn(sentence)
    return clip_table(clips)
