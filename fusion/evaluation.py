"""A score table judged: the metrics of each section, the official score, and how sure one can be of it.

`evaluation.csv` has the columns system, machine, section, auc_source, auc_target, pauc, hmean, in fractions: one row per
section, and one per system with machine "all", whose hmean is the official score (its other columns are harmonic means over the
sections). Where domains play no part (2020, recordings of one's own without them), auc_source is the AUC over all clips and
auc_target is empty. In 2021 pauc is the harmonic mean of the two domains' pAUC. In 2020 hmean is an arithmetic mean, as that
year's rule has it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fusion.intervals import (
    Difference,
    Interval,
    differences,
    official_interval,
    organisers_half_width,
    section_interval,
)
from fusion.metrics import Floats, harmonic_mean
from fusion.official import Section, find_sections, mean_of, official_score, section_values
from fusion.over_seeds import Family, families, of_one_seed, pooled_spread
from fusion.run_scores import scored_names
from fusion.upkeep import older_tables
from zoo.errors import unknown_name
from zoo.files import whole_file
from zoo.running.folder import Run
from zoo.scores import ScoreTable

COLUMNS = ["system", "machine", "section", "auc_source", "auc_target", "pauc", "hmean"]


@dataclass(frozen=True)
class Evaluation:
    """One system's metrics: rows of `evaluation.csv`, and what a reader must know."""

    system: str
    frame: pd.DataFrame  # COLUMNS; the last row is machine "all"; no rows when nothing could be scored
    intervals: list[Interval | None]  # 95 %, of each row's hmean; None where some kind of clip occurs once
    organisers: float | None  # half width of the 95 % interval as the organisers print it; None with one clip of a kind
    notes: list[str]  # a sentence for each section that was not scored

    @property
    def score(self) -> float | None:
        """The official score, or None when no section has the labels for it."""
        return float(self.frame["hmean"].iloc[-1]) if len(self.frame) else None

    @property
    def interval(self) -> Interval | None:
        """95 % interval of the official score."""
        return self.intervals[-1] if self.intervals else None


def evaluate(table: ScoreTable, system: str) -> Evaluation:
    """Judge the scores of `system` on every labelled section of its table.

    A section with one kind of clip only, or without what the year's rule needs, is left out and noted.
    """
    frame = table.frame[table.frame["system"] == system]
    sections, notes = find_sections(frame, table.year)
    if not sections:
        return Evaluation(system, pd.DataFrame(columns=COLUMNS), [], None, notes)
    values = [section_values(_scores(frame, section), section, table.year) for section in sections]
    rows = [
        [system, section.machine, section.section, *_shown(value), float(mean_of(value, table.year))]
        for section, value in zip(sections, values, strict=True)
    ]
    intervals = [section_interval(_scores(frame, section), section, table.year) for section in sections]
    overall = official_interval(frame["score"].to_numpy(), sections, table.year)
    rows.append([system, "all", "", *_overall(rows), official(values, sections, table.year)])
    return Evaluation(system, pd.DataFrame(rows, columns=COLUMNS), [*intervals, overall], _organisers(frame, sections), notes)


def place(machine: str, section: str) -> str:
    """What a row is called: the machine, and the section where it is another than the usual one."""
    return machine if section in ("", "00") else f"{machine} {section}"


def _organisers(frame: pd.DataFrame, sections: Sequence[Section]) -> float | None:
    anomalous = np.concatenate([section.anomalous for section in sections])
    pooled = np.concatenate([_scores(frame, section) for section in sections])
    return organisers_half_width(pooled, anomalous) if min(anomalous.sum(), (~anomalous).sum()) > 1 else None


def official(values: Sequence[Floats], sections: Sequence[Section], year: str) -> float:
    """The official score of one system."""
    return float(official_score(values, [section.machine for section in sections], year))


def _shown(values: Floats) -> tuple[float, float, float]:
    """AUC source, AUC target and pAUC from the numbers of a section; NaN where there are no domains."""
    if len(values) == 2:
        return float(values[0]), np.nan, float(values[1])
    return float(values[0]), float(values[1]), float(values[2] if len(values) == 3 else harmonic_mean(values[2:]))


def _overall(rows: Sequence[Sequence[object]]) -> list[float]:
    columns = np.array([row[3:6] for row in rows], dtype=np.float64)
    return [float(harmonic_mean(column[~np.isnan(column)])) if not np.isnan(column).all() else np.nan for column in columns.T]


def less_than_best(tables: Mapping[str, ScoreTable], among: Sequence[str] = ()) -> dict[str, Difference | None]:
    """For each system how its official score compares with the best one's, None where it scored other clips than the best.

    The best is one of `among`, or of all.
    """
    frames = {system: table.frame[table.frame["system"] == system].reset_index(drop=True) for system, table in tables.items()}
    year = next(iter(tables.values())).year
    sections = {system: find_sections(frame, year)[0] for system, frame in frames.items()}
    official_scores = {
        system: official(
            [section_values(_scores(frame, section), section, year) for section in sections[system]], sections[system], year
        )
        for system, frame in frames.items()
        if sections[system]
    }
    if not official_scores:
        return dict.fromkeys(tables)
    best = max([name for name in among if name in official_scores] or official_scores, key=lambda one: official_scores[one])
    keys = ["machine", "section", "split", "clip", "label", "domain"]
    alike = [system for system in official_scores if frames[system][keys].equals(frames[best][keys])]
    scores = np.stack([frames[system]["score"].to_numpy() for system in alike])
    found = differences(scores, alike.index(best), sections[best], year)
    return {system: found[alike.index(system)] if system in alike else None for system in tables}


@dataclass(frozen=True)
class RunEvaluation:
    """Systems and ensembles of one run, judged."""

    judged: list[Evaluation]  # those that could be scored
    alone: frozenset[str]  # of these, tables of one seed that nobody asked for by name: their family is shown for them
    compared: dict[str, Difference | None]  # by system: how it compares with the best of those that are shown
    families: list[Family]  # systems and ensembles with several seeds
    notes: list[str]

    @property
    def shown(self) -> list[Evaluation]:
        """What a reader sees; every seed by itself stands in evaluation.csv."""
        return [one for one in self.judged if one.system not in self.alone]

    @property
    def spread(self) -> float | None:
        """Standard deviation of a score over seeds, those of all families pooled; None without seeds."""
        return pooled_spread(self.families) if self.families else None


def evaluate_run(run: Run, names: Sequence[str] | None = None) -> RunEvaluation:
    """Judge all score tables of a run, write its evaluation.csv, and return the evaluations of `names`, all by default.

    The caller holds the run's lock. Raises: AsdzooError for a name that the run has no scores of, and without scores.
    """
    known = scored_names(run)
    for name in names or []:
        if name not in known:
            raise unknown_name("system or ensemble", name, known)
    scores = {name: run.scores(name) for name in known}
    evaluations = [evaluate(scores[name], name) for name in known]
    frames = [evaluation.frame for evaluation in evaluations if len(evaluation.frame)]
    with whole_file(run.folder / "evaluation.csv") as aside:
        (pd.concat(frames) if frames else pd.DataFrame(columns=COLUMNS)).to_csv(aside, index=False, lineterminator="\n")
    chosen = [evaluation for evaluation in evaluations if not names or evaluation.system in names]
    judged = [evaluation for evaluation in chosen if evaluation.score is not None]
    wanted = [
        members for name, members in of_one_seed(known).items() if not names or name in names or set(members) <= set(names)
    ]
    seeds = {member for members in wanted for member in members}
    of_seeds, odd = families(
        {one.system: one.frame for one in evaluations if one.system in seeds and one.score is not None}, scores
    )
    alone = frozenset(member for one in of_seeds for member in one.members if member not in (names or []))
    shown = [one.system for one in judged if one.system not in alone]
    compared = less_than_best({one.system: scores[one.system] for one in judged}, shown) if judged else {}
    bare = run.info().cannot_score
    notes = [
        *older_tables(run, names or known),
        *([bare] if bare else []),
        *(note for evaluation in chosen for note in evaluation.notes),
        *odd,
        *below_chance({one.system: one.score for one in judged if one.score is not None}),
    ]
    return RunEvaluation(judged, alone, compared, of_seeds, list(dict.fromkeys(notes)))


def below_chance(scores: Mapping[str, float]) -> list[str]:
    """A sentence naming the systems or ensembles whose official score is below 0.5."""
    low = [f"{name} ({score:.3f})" for name, score in scores.items() if score < 0.5]
    return [f"below chance: {', '.join(low)}; inverted? (larger = more anomalous)"] if low else []


def _scores(frame: pd.DataFrame, section: Section) -> Floats:
    return frame["score"].to_numpy()[section.rows]
