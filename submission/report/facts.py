"""What a run says of itself, gathered once for its report: scores, metrics, thresholds, ensembles, recordings, training."""

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import pandas as pd

from fusion.ensemble import Ensemble, ensemble_path, read_ensemble
from fusion.evaluation import Evaluation, evaluate, less_than_best
from fusion.intervals import Difference, Interval, jackknife, without_each
from fusion.metrics import Floats
from fusion.official import Section, find_sections, mean_of, section_values
from zoo.data.clips import Clip, find_clips
from zoo.errors import AsdzooError, unknown_name
from zoo.running.embeddings import Embeddings
from zoo.running.folder import Run
from zoo.running.records import RunInfo
from zoo.scores import ScoreTable
from zoo.threshold import Threshold, fit_threshold

K = TypeVar("K", str, tuple[str, str])


class Place(NamedTuple):
    """A machine's section: what is judged, thresholded and listened to on its own."""

    machine: str
    section: str


@dataclass(frozen=True)
class Scored:
    """The scores of one system or ensemble."""

    name: str
    number: int  # its colour
    table: ScoreTable
    evaluation: Evaluation
    parts: Mapping[Place, pd.DataFrame]
    thresholds: Mapping[Place, Threshold]  # on calibrated training scores, as `asdzoo submit` puts them; where there are any
    sections: Mapping[Place, Section]  # the labelled ones
    less: Difference | None  # than the best one
    ensemble: Ensemble | None

    @property
    def interval(self) -> Interval | None:
        """95 % interval of the official score."""
        return self.evaluation.intervals[-1] if self.evaluation.intervals else None

    def rows(self, place: Place) -> pd.DataFrame:
        """Its rows of a place; none where it has no scores."""
        return self.parts.get(place, self.table.frame.iloc[:0])

    def judged(self, place: Place) -> "Judged | None":
        """Its metrics on a labelled place."""
        section = self.sections.get(place)
        if section is None:
            return None
        year, scores = self.table.year, self.table.frame["score"].to_numpy()[section.rows]
        values, without = section_values(scores, section, year), without_each(scores, section, year)
        halves = without if without is None else [jackknife(*pair).half for pair in zip(values, without.T, strict=True)]
        return Judged(values, halves, float(mean_of(values, year)), self.evaluation.intervals[list(self.sections).index(place)])


class Judged(NamedTuple):
    """The metrics of a place."""

    values: Floats  # as `fusion.official.section_values` gives them
    halves: list[float] | None  # of their 95 % intervals; None where some kind of clip occurs once only
    mean: float  # as the year's rule takes it
    interval: Interval | None  # of the mean


class Training(NamedTuple):
    """The validations of one task."""

    system: str
    group: str
    columns: Mapping[str, Floats]  # step, and what was measured


@dataclass(frozen=True)
class Facts:
    """Everything a report is drawn from."""

    run: Run
    info: RunInfo
    scored: Sequence[Scored]  # ensembles, then systems
    places: Sequence[Place]
    recordings: Mapping[tuple[str, str, str, str], Clip]  # by machine, section, split, file name
    trainings: Sequence[Training]
    notes: Sequence[str]

    @property
    def year(self) -> str:
        return self.scored[0].table.year

    @property
    def labelled(self) -> bool:
        return any(scored.sections for scored in self.scored)

    @property
    def listened(self) -> Scored:
        """Whose mistakes are played: the best of the ensembles, or of the systems where there is none."""
        ensembles = [scored for scored in self.scored if scored.ensemble is not None]
        return max(ensembles or self.scored, key=lambda scored: scored.evaluation.score or 0.0)

    def embeddings(self, system: str, machine: str) -> Embeddings | None:
        """Those of a system's clips of a machine, None where there are none."""
        path = _newest(self.run.system_folder(system).glob("*/embeddings/[!.]*.safetensors"), by=lambda path: path.stem).get(
            machine
        )
        return None if path is None else Embeddings.read(path)


def gather(run: Run, names: Sequence[str] = ()) -> Facts:
    """Read a run; `names` are the systems and ensembles to show, all by default.

    Raises: AsdzooError for what is no run, a run without score tables, an unknown name, or a damaged file.
    """
    run.require()
    known = run.score_names()
    if not known:
        raise AsdzooError(f"{run.folder} holds no scores", f"run `asdzoo train-all --run {run.folder}` first")
    for name in names:
        if name not in known:
            raise unknown_name("system or ensemble", name, known)
    ensembles = {
        name: read_ensemble(ensemble_path(run.folder, name)) for name in known if ensemble_path(run.folder, name).exists()
    }
    shown = [name for name in known if not names or name in names]
    shown.sort(key=lambda name: (name not in ensembles, name))
    tables = {name: _own(run.scores(name), name) for name in shown}
    if len({table.year for table in tables.values()}) > 1:
        raise AsdzooError(f"the score tables of {run.folder} are of several years", "choose with --system")
    evaluations = {name: evaluate(table, name) for name, table in tables.items()}
    judged = {name: tables[name] for name, evaluation in evaluations.items() if evaluation.score is not None}
    less = less_than_best(judged) if judged else {}
    scored = []
    for number, (name, table) in enumerate(tables.items()):
        parts = {Place(*map(str, key)): rows for key, rows in table.frame.groupby(["machine", "section"], sort=True)}
        sections = {Place(section.machine, section.section): section for section in find_sections(table.frame, table.year)[0]}
        said = less.get(name), ensembles.get(name)
        scored.append(Scored(name, number, table, evaluations[name], parts, _thresholds(parts), sections, *said))
    places = sorted({place for one in scored for place in one.parts})
    recordings, notes = _recordings(run)
    notes += [note for evaluation in evaluations.values() for note in evaluation.notes]
    return Facts(run, run.info(), scored, places, recordings, _trainings(run, shown), list(dict.fromkeys(notes)))


def _own(table: ScoreTable, name: str) -> ScoreTable:
    own = ScoreTable(table.frame[table.frame["system"] == name])
    if not len(own.frame):
        raise AsdzooError(f"the score table of {name} holds no row of {name}", f"run `asdzoo train-all --systems {name}` again")
    return own


def _thresholds(parts: Mapping[Place, pd.DataFrame]) -> dict[Place, Threshold]:
    found = {}
    for place, rows in parts.items():
        train = rows.loc[(rows["split"] == "train") & (rows["label"] != "anomaly"), "calibrated"].to_numpy()
        if len(train):
            found[place] = fit_threshold(train)
    return found


def _recordings(run: Run) -> tuple[dict[tuple[str, str, str, str], Clip], list[str]]:
    """Where the recordings lie and what their names say: from embeddings, or else from the data folder."""
    paths = _newest((run.folder / "systems").glob("*/*/embeddings/[!.]*.safetensors"), by=lambda path: path.stem)
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
    return {(clip.machine, clip.section, clip.split, clip.name): clip for clip in clips}, notes


def _newest(paths: Iterable[Path], by: Callable[[Path], K]) -> dict[K, Path]:
    """The youngest file of each kind, in order: a run keeps the tasks of earlier configurations."""
    ordered = sorted(paths, key=lambda path: (path.stat().st_mtime_ns, path))
    return dict(sorted({by(path): path for path in ordered}.items()))


def _trainings(run: Run, names: Sequence[str]) -> list[Training]:
    found = []

    def task(path: Path) -> tuple[str, str]:
        return path.parts[-3], path.parts[-2].rpartition("-")[0]

    for (system, group), path in _newest((run.folder / "systems").glob("*/*/training.csv"), by=task).items():
        if system not in names:
            continue
        try:
            with path.open(newline="") as file:
                rows = list(csv.DictReader(file))
            columns = {name: np.array([float(row[name] or "nan") for row in rows]) for name in (rows[0] if rows else ())}
        except (ValueError, TypeError, UnicodeDecodeError) as problem:
            raise AsdzooError(f"{path} is damaged: {problem}", "run `asdzoo train-all` again") from problem
        if "step" in columns:
            found.append(Training(system, group, columns))
    return found
