"""One page about a run that needs nothing beside it: tables, figures, and clips to look at and listen to."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from submission.report import clips as report_clips
from submission.report import figures as report_figures
from submission.report import maps as report_maps
from submission.report import systems as report_systems
from submission.report.facts import Facts
from zoo.data.groups import group_of
from zoo.errors import AsdzooError
from zoo.files import write_text
from zoo.running.marks import meaning
from zoo.running.records import SystemInfo

Progress = Callable[[str, int, int], None]  # (what, done, to do)

RULE = "Harmonic mean of every machine's AUC source, AUC target and pAUC (up to a false positive rate of 0.1)."
RULES = {
    "2020": "Arithmetic mean of AUC and pAUC over the machine IDs of each machine, then over machines.",
    "2021": "Harmonic mean of AUC and pAUC of both domains of every section.",
    "own": "Harmonic mean of every machine's AUC source, AUC target and pAUC, or of AUC and pAUC where there are no domains.",
}


@dataclass(frozen=True)
class Written:
    """What came of it."""

    path: Path
    size: int  # bytes
    playing: int  # clips with a player
    silent: int  # clips without one
    notes: tuple[str, ...]


def write_report(facts: Facts, path: Path, max_mb: float = 30, progress: Progress = lambda what, done, total: None) -> Written:
    """Write the page of a run; clips are put in until it has `max_mb` megabytes (1e6 bytes).

    Raises: AsdzooError for a size that is not positive.
    """
    if not max_mb > 0:
        raise AsdzooError(f"--max-mb is {max_mb:g}, but a page has some size", "for example --max-mb 30")
    most = int(max_mb * 1e6)
    page = Page(facts, lambda done, total: progress("Placing embeddings", done, total))
    shelves = report_clips.choose(facts, facts.listened)
    text = page.render(shelves)
    filled = report_clips.fill(shelves, most - len(text.encode()), lambda done, total: progress("Clips", done, total))
    cards = report_clips.every(filled)
    text = page.render(filled)
    size = len(text.encode())
    playing = sum(card.audio for card in cards)
    notes = list(facts.notes)
    gone = [(card.clip.path, card.problem) for card in cards if card.clip is not None and card.problem and not card.full]
    if gone:
        notes.append(f"{len(gone)} clips cannot be played; the first, {gone[0][0]}: {gone[0][1]}. Did the data move?")
    if cards and playing + len(gone) < len(cards):
        notes.append(
            f"{len(cards) - playing - len(gone)} clips have no player, to keep the page below {max_mb:g} MB (--max-mb)"
        )
    if size > most:
        notes.append(
            f"the page has {size / 1e6:.1f} MB without any clip; choose fewer systems with --system to make it smaller"
        )
    write_text(path, text)
    return Written(path, size, playing, len(cards) - playing, tuple(notes))


def _counts(facts: Facts) -> dict[str, int]:
    """Machines, and clips of any system, by what is known of them."""
    keys = ["machine", "section", "split", "clip", "label"]
    clips = pd.concat([one.table.frame[keys] for one in facts.scored]).drop_duplicates(keys[:-1])
    test = clips[clips["split"] == "test"]
    return {
        "machines": clips["machine"].nunique(),
        "train": len(clips) - len(test),
        "test": len(test),
        "labelled": int((test["label"] != "").sum()),
    }


def _systems(facts: Facts) -> dict[str, SystemInfo]:
    """What `run.json` says of the systems on the page and of the members of its ensembles."""
    shown = {name for one in facts.scored for name in (one.name, *(one.ensemble.systems if one.ensemble else ()))}
    return {name: entry for name, entry in facts.info.systems.items() if name in shown}


class Page:
    """Everything on the page but the clips, worked out once."""

    def __init__(self, facts: Facts, progress: Callable[[int, int], None]) -> None:
        environment = Environment(
            loader=PackageLoader("submission.report"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters["yaml"] = lambda value: yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
        environment.filters["breakable"] = lambda name: escape(name).replace("_", Markup("_<wbr>"))
        environment.globals |= {"series": report_figures.series}
        self._template = environment.get_template("report.html.j2")
        numbers = {one.name: one.number for one in facts.scored}
        ensembles = []
        for one in facts.scored:
            if one.ensemble is not None:
                brought, why = report_systems.brought(facts, one.ensemble)
                bars = report_systems.member_bars(brought, numbers, one.name) if brought else None
                ensembles.append({"one": one, "it": one.ensemble, "bars": bars, "brought": brought, "why": why})
        judged = {(one.name, place): one.judged(place) for one in facts.scored for place in facts.places}
        maps = report_maps.maps(facts, progress)
        self._content: dict[str, Any] = {
            "facts": facts,
            "marks": [(mark, meaning(mark)) for mark in facts.run.marks()],
            "several_sections": len({place.section for place in facts.places}) > 1,
            "counts": _counts(facts),
            "systems": _systems(facts),
            "rule": RULES.get(facts.year, RULE),
            "groups": {place.machine: group_of(place.machine, facts.info.groups) for place in facts.places},
            "by_domain": any(section.by_domain(facts.year) for one in facts.scored for section in one.sections.values()),
            "judged": judged,
            "judged_places": {place: any(judged[one.name, place] for one in facts.scored) for place in facts.places},
            "ranked": sorted(
                (one for one in facts.scored if one.evaluation.score is not None), key=lambda one: -(one.evaluation.score or 0)
            ),
            "axis": report_systems.score_axis(facts.scored),
            "decisions": {place: report_figures.decisions(facts.scored, place) for place in facts.places},
            "statistics": report_systems.statistics(facts),
            "bars": {one.name: report_systems.interval_bar(one, facts.scored) for one in facts.scored},
            "calibrations": [(one, report_systems.calibration(facts, one)) for one in facts.scored],
            "ensembles": ensembles,
            "numbers": numbers,
            "agreement": report_systems.agreement(facts),
            "trainings": [(one, report_systems.training_curves(one), report_systems.losses_of(one)) for one in facts.trainings],
            "machines": [
                {
                    "place": place,
                    "roc": report_figures.roc(facts.scored, place),
                    "distributions": [
                        (one, report_figures.distribution(one, place)) for one in facts.scored if not one.rows(place).empty
                    ],
                    "maps": maps.get(place),
                }
                for place in facts.places
            ],
        }

    def render(self, shelves: report_clips.Shelves) -> str:
        return self._template.render(**self._content, shelves=shelves, listened=self._content["facts"].listened)
