"""What is shown of each system and ensemble: its scores, metrics and thresholds, place by place."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from fusion.ensemble import Ensemble, ensemble_path, read_ensemble
from fusion.evaluation import Evaluation, evaluate, less_than_best
from fusion.intervals import Difference, Interval, jackknife, without_each
from fusion.metrics import Floats
from fusion.official import Section, find_sections, mean_of, section_values
from fusion.over_seeds import of_one_seed
from zoo.data.years import OWN
from zoo.errors import AsdzooError, typed, unknown_name
from zoo.running.folder import Run
from zoo.scores import ScoreTable
from zoo.threshold import OWN_PERCENTILE, Threshold, fit_threshold


class Place(NamedTuple):
    """A machine's section: what is judged, thresholded and listened to on its own."""

    machine: str
    section: str


class Judged(NamedTuple):
    """The metrics of a place."""

    values: Floats  # as `fusion.official.section_values` gives them
    halves: list[float] | None  # of their 95 % intervals; None where some kind of clip occurs once only
    mean: float  # as the year's rule takes it
    interval: Interval | None  # of the mean


@dataclass(frozen=True)
class Scored:
    """The scores of one system or ensemble."""

    name: str
    number: int  # its colour
    table: ScoreTable
    evaluation: Evaluation
    parts: Mapping[Place, pd.DataFrame]
    thresholds: Mapping[
        Place, Threshold
    ]  # on calibrated training scores, as `asdzoo submit` puts them, or `score`; where there are any
    sections: Mapping[Place, Section]  # the labelled ones
    judged: Mapping[Place, Judged]  # the same
    less: Difference | None  # than the best one
    ensemble: Ensemble | None

    @property
    def interval(self) -> Interval | None:
        """95 % interval of the official score."""
        return self.evaluation.intervals[-1] if self.evaluation.intervals else None

    def rows(self, place: Place) -> pd.DataFrame:
        """Its rows of a place; none where it has no scores."""
        return self.parts.get(place, self.table.frame.iloc[:0])


def read_scored(run: Run, names: Sequence[str]) -> list[Scored]:
    """The ensembles, then the systems, of a run; `names` are those to show, all when there are none.

    Raises: AsdzooError for a run without score tables, an unknown name, tables of several years, or a damaged file.
    """
    known = run.score_names()
    if not known:
        raise AsdzooError(f"{run.folder} holds no scores", f"run `asdzoo train-all --run {typed(run.folder)}` first")
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
    return [
        _scored(name, number, table, evaluations[name], less.get(name), ensembles.get(name))
        for number, (name, table) in enumerate(tables.items())
    ]


def _own(table: ScoreTable, name: str) -> ScoreTable:
    own = ScoreTable(table.frame[table.frame["system"] == name])
    if not len(own.frame):
        raise AsdzooError(f"the score table of {name} holds no row of {name}", f"run `asdzoo train-all --systems {name}` again")
    return own


def _scored(
    name: str, number: int, table: ScoreTable, evaluation: Evaluation, less: Difference | None, ensemble: Ensemble | None
) -> Scored:
    parts = {Place(*map(str, key)): rows for key, rows in table.frame.groupby(["machine", "section"], sort=True)}
    sections = {Place(section.machine, section.section): section for section in find_sections(table.frame, table.year)[0]}
    judged = {
        place: _judged(table, section, interval)
        for (place, section), interval in zip(sections.items(), evaluation.intervals, strict=False)  # one more: of all
    }
    return Scored(name, number, table, evaluation, parts, _thresholds(parts, table.year), sections, judged, less, ensemble)


def _judged(table: ScoreTable, section: Section, interval: Interval | None) -> Judged:
    year, scores = table.year, table.frame["score"].to_numpy()[section.rows]
    values, without = section_values(scores, section, year), without_each(scores, section, year)
    halves = without if without is None else [jackknife(*pair).half for pair in zip(values, without.T, strict=True)]
    return Judged(values, halves, float(mean_of(values, year)), interval)


def _thresholds(parts: Mapping[Place, pd.DataFrame], year: str) -> dict[Place, Threshold]:
    found = {}
    for place, rows in parts.items():
        train = rows.loc[(rows["split"] == "train") & (rows["label"] != "anomaly"), "calibrated"].to_numpy()
        if len(train):
            found[place] = fit_threshold(train, "percentile", OWN_PERCENTILE) if year == OWN else fit_threshold(train)
    return found


def names_of(places: Iterable[Place]) -> dict[Place, str]:
    """What places are called: the machine, and its section where any machine has several."""
    places = list(places)
    several = len({place.section for place in places}) > 1
    return {place: f"{place.machine} {place.section}" if several else place.machine for place in places}


def by_domain(scored: Iterable[Scored]) -> bool:
    """Whether metrics are of source and target, as the year of the scores takes them."""
    return any(section.by_domain(one.table.year) for one in scored for section in one.sections.values())


def best_of(scored: Sequence[Scored]) -> Scored:
    """The best of the ensembles, those of one seed's members left aside, or of the systems where there is none."""
    alone = {member for members in of_one_seed(one.name for one in scored).values() for member in members}
    ensembles = [one for one in scored if one.ensemble is not None and one.name not in alone]
    return max(ensembles or scored, key=lambda one: one.evaluation.score or 0.0)
