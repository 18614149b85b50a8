"""Our scores beside those that papers report: which records hold for a run, and whether they lie within our intervals.

A record (`zoo.papers`) is held against a run that is on the data of its year: the machine's name is one of the set's, and its
labelled test clips are as many as were published. Machines of a synthetic set have other names and never match. The official
score of a set needs all its machines. Nothing is compared where encoders had random weights, or where a member of an
ensemble has other settings than those that were published.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fusion.ensemble import ensemble_path, read_ensemble
from fusion.evaluation import official
from fusion.intervals import Interval, official_interval, section_interval
from fusion.metrics import harmonic_mean, plain_metrics
from fusion.official import Section, find_sections, mean_of, section_values
from zoo.config import parse
from zoo.data.published import facts_of
from zoo.papers import SET_NAMES, Published
from zoo.running.folder import Run
from zoo.scores import ScoreTable, family_of

ALL = "all"
OTHER_SETTINGS = "trained with other settings than those published"


@dataclass(frozen=True)
class Beside:
    """One number of ours beside one of a paper, both fractions."""

    system: str
    record: Published
    machine: str  # "all": of the whole set
    figure: str  # hmean; AUC or pAUC of both domains together
    ours: float
    interval: Interval | None  # 95 %, of ours
    theirs: float
    seeds: int = 1  # that `ours` is the mean of
    spread: float | None = None  # standard deviation over them

    @property
    def within(self) -> bool | None:
        """Whether theirs lies in our interval; None where there is none."""
        return None if self.interval is None else self.interval.low <= self.theirs <= self.interval.high

    @property
    def verdict(self) -> str | None:
        return None if self.within is None else "within" if self.within else "outside"


@dataclass(frozen=True)
class Comparison:
    """What of a run could be held against papers."""

    rows: list[Beside]
    notes: list[str]  # a sentence for each thing that would have been compared, and why it is not


def beside_papers(run: Run, tables: Mapping[str, ScoreTable]) -> Comparison:
    """Each score table beside the records of its system or ensemble."""
    rows: list[Beside] = []
    notes: list[str] = []
    untrained = run.untrained() if run.info().systems else []
    for name, table in tables.items():
        records, members = published_of(run, name)
        records = [record for record in records if record.year == table.year]
        if not records:
            continue
        frame = table.frame[table.frame["system"] == name]
        found, _ = find_sections(frame, table.year)
        blind = [member for member in members if member in untrained]
        changed = [member for member in members if member != name and not published_of(run, member)[0]]
        obstacle = (
            f"{', '.join(blind)} had random weights" if blind else f"{', '.join(changed)}: {OTHER_SETTINGS}" if changed else ""
        )
        for record in records:
            own = [one for one in found if one.machine in record.set_machines and one.section in record.sections]
            if own and obstacle:
                notes.append(f"{name} is not held against {record.source}: {obstacle}")
            elif own:
                more, why = _compared(name, record, frame["score"].to_numpy(), own)
                rows += more
                notes += why
    return Comparison(over_seeds(rows), list(dict.fromkeys(notes)))


def over_seeds(rows: Sequence[Beside]) -> list[Beside]:
    """The rows with one in place of those of a system's seeds: the mean of their figures, which is what papers print.

    An interval is of one network's clips, so that the mean has none, and no verdict.
    """
    groups: dict[object, list[Beside]] = {}
    for row in rows:
        groups.setdefault((family_of(row.system), row.record.source, row.record.set, row.machine, row.figure), []).append(row)
    return [_mean(own) for own in groups.values()]


def _mean(rows: Sequence[Beside]) -> Beside:
    if len(rows) == 1:
        return rows[0]
    ours = np.array([row.ours for row in rows])
    spread = float(ours.std(ddof=1))
    return replace(
        rows[0], system=family_of(rows[0].system), ours=float(ours.mean()), interval=None, seeds=len(rows), spread=spread
    )


def published_of(run: Run, name: str) -> tuple[list[Published], tuple[str, ...]]:
    """The records of a system or ensemble of the run, and the systems that they are of."""
    path = ensemble_path(run.folder, name)
    if path.exists():
        ensemble = read_ensemble(path)
        return ensemble.published, ensemble.systems
    info = run.info().systems.get(name)
    records = info.config.get("published", []) if info is not None else []
    return [parse(Published, record, f"{run.folder}/run.json: {name}: published") for record in records], (name,)


def _compared(name: str, record: Published, scores: np.ndarray, found: Sequence[Section]) -> tuple[list[Beside], list[str]]:
    """The rows of one record, the whole set first; `found` are the judged sections that belong to its set."""
    sections, notes, year = [], [], record.year
    for section in found:
        facts = facts_of(year, section.machine)
        most = facts.test_sum if facts.test is None else sum(facts.test.values())
        if most is not None and len(section.rows) != most:
            notes.append(
                f"{section.machine} is not held against {record.source}: "
                f"it has {len(section.rows)} labelled test clips, the published set has {most}"
            )
        else:
            sections.append(section)
    values = {
        (one.machine, one.section): section_values(scores[one.rows], one, year) for one in sections
    }  # of each machine and section
    missing = [
        machine for machine in record.set_machines if not all((machine, section) in values for section in record.sections)
    ]
    whole = f"the {SET_NAMES[record.set]} set of {year}"
    if missing and sections:
        notes.append(f"{name} is not held against {record.source} for {whole} as a whole: without {', '.join(missing)}")
    rows: list[Beside] = []
    if not missing and record.metric == "mixed_domain":
        assert record.auc is not None
        assert record.pauc is not None
        mixed = harmonic_mean(np.stack([plain_metrics(scores[one.rows], one.anomalous) for one in sections]), axis=0)
        theirs = (record.auc / 100, record.pauc / 100)
        for figure, ours, their in zip(("AUC, domains mixed", "pAUC, domains mixed"), mixed.tolist(), theirs, strict=True):
            rows.append(Beside(name, record, ALL, figure, ours, None, their))
    elif not missing and record.score is not None:
        score = official(list(values.values()), sections, year)
        rows.append(Beside(name, record, ALL, "hmean", score, official_interval(scores, sections, year), record.score))
    for machine in record.machines:
        own = [one for one in sections if one.machine == machine]
        if machine in missing or not own:
            continue
        if len(own) == 1:
            value = values[machine, own[0].section]
            ours = float(mean_of(value, year))
            interval = section_interval(scores[own[0].rows], own[0], year)
        else:
            ours = official([values[machine, one.section] for one in own], own, year)
            interval = official_interval(scores, own, year)
        rows.append(Beside(name, record, machine, "hmean", ours, interval, record.machine_score(machine)))
    return rows, notes
