"""One page about a run that needs nothing beside it: tables, figures, and clips to look at and listen to."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from submission.report import clips as report_clips
from submission.report.facts import Facts
from submission.report.maps import maps
from submission.report.rendering import render
from submission.report.scored import Scored, best_of, names_of
from submission.report.sections import (
    agreement,
    calibration,
    ensembles,
    layers,
    machines,
    over_time,
    papers,
    pseudo_labels,
    run,
    score,
    training,
)
from zoo.errors import AsdzooError
from zoo.files import write_text
from zoo.progress import Progress, unseen
from zoo.running.marks import meaning


@dataclass(frozen=True)
class Written:
    """What came of it."""

    path: Path
    size: int  # bytes
    playing: int  # clips with a player
    silent: int  # clips without one
    notes: tuple[str, ...]


def write_report(
    facts: Facts, path: Path, max_mb: float = 30, placing: Progress = unseen, filling: Progress = unseen
) -> Written:
    """Write the page of a run; clips are put in until it has `max_mb` megabytes (1e6 bytes).

    `placing` hears how many embedding maps are drawn, `filling` how many clips are in.

    Raises: AsdzooError for a size that is not positive.
    """
    if not max_mb > 0:
        raise AsdzooError(f"--max-mb is {max_mb:g}, but a page has some size", "for example --max-mb 30")
    most = int(max_mb * 1e6)
    page = Page(facts, placing)
    shelves = report_clips.choose(page.listened, facts.places, facts.recordings)
    text = page.render(shelves)
    filled = report_clips.fill(shelves, most - len(text.encode()), filling)
    cards = report_clips.every(filled)
    text = page.render(filled)
    size = len(text.encode())
    playing = sum(card.audio for card in cards)
    notes = list(facts.notes)
    gone = [(card.clip.path, card.problem) for card in cards if card.clip is not None and card.problem and not card.full]
    if gone:
        notes.append(f"{len(gone)} clips cannot be played; the first, {gone[0][0]}: {gone[0][1]}. Did the data move?")
    if short := sum(card.full or (card.media is not None and not card.audio) for card in cards):
        notes.append(f"{short} clips have no player, to keep the page below {max_mb:g} MB (--max-mb)")
    if size > most:
        notes.append(
            f"the page has {size / 1e6:.1f} MB without any clip; choose fewer systems with --system to make it smaller"
        )
    write_text(path, text)
    return Written(path, size, playing, len(cards) - playing, tuple(notes))


class Page:
    """Everything on the page but the clips, worked out once."""

    def __init__(self, facts: Facts, placing: Progress) -> None:
        scored, names = facts.scored, names_of(facts.places)
        drawn = maps(facts.run, scored, facts.places, facts.pseudo_labels, placing)
        self.listened = best_of(scored)  # whose mistakes are played
        self._scored = scored
        self._panels = machines.panels(scored, names, facts.info.groups, drawn)
        self._score = score.section(scored, names)
        self._others = (
            papers.section(facts.papers),
            over_time.section(facts.verdicts),
            ensembles.section(facts.run, scored),
            agreement.section(scored),
            calibration.section(facts.run, scored, names),
            training.section(facts.trainings),
            pseudo_labels.section(facts.pseudo_labels),
            layers.section(facts.layer_weights),
            run.section(facts.info, scored),
        )
        self._head = {
            "title": facts.run.folder.absolute().name,
            "year": scored[0].table.year,
            "seed": facts.info.seed,
            "counts": _counts(scored),
            "marks": [(mark, meaning(mark, facts.run.cut())) for mark in facts.info.marks],
            "notes": facts.notes,
        }

    def render(self, shelves: report_clips.Shelves) -> str:
        shown = machines.section(self._panels, self._scored, shelves, self.listened)
        sections = [section for section in (self._score, shown, *self._others) if section is not None]
        return str(render("page", **self._head, sections=sections))


def _counts(scored: Sequence[Scored]) -> dict[str, int]:
    """Machines, and clips of any system, by what is known of them."""
    keys = ["machine", "section", "split", "clip", "label"]
    clips = pd.concat([one.table.frame[keys] for one in scored]).drop_duplicates(keys[:-1])
    test = clips[clips["split"] == "test"]
    return {
        "machines": clips["machine"].nunique(),
        "train": len(clips) - len(test),
        "test": len(test),
        "labelled": int((test["label"] != "").sum()),
    }
