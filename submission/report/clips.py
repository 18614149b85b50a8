"""Which clips a report plays, and how many fit into the page."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from submission.report.clips_inline import Inline, inline
from submission.report.recordings import Key, Recordings
from submission.report.scored import Place, Scored
from zoo.data.clips import Clip
from zoo.progress import Progress

EACH = 3  # clips of each kind
_MARKUP = 400  # bytes that a picture and a player take beside their data, at most


@dataclass(frozen=True)
class Card:
    """One clip to look at and listen to."""

    name: str
    domain: str
    label: str
    attributes: str
    calibrated: float
    rank: int  # 1 = the highest score of the place's test clips
    of: int
    clip: Clip | None  # None when nobody knows where the recording is
    shown_under: str = ""  # the heading under which the same clip stands already
    media: Inline | None = None
    audio: bool = False  # whether the player fits, too
    full: bool = False  # whether not even the picture fits
    problem: str = ""  # why there is nothing to see


@dataclass(frozen=True)
class Shelf:
    """The clips under one heading."""

    heading: str
    said: str  # what they are, and what it means that there are none
    cards: tuple[Card, ...]


Shelves = dict[Place, list[Shelf]]


def choose(one: Scored, places: Iterable[Place], recordings: Recordings) -> Shelves:
    """For each place the clips with the highest scores and, where labels are known, the worst decisions of `one`."""
    return {place: _of_place(one, place, recordings) for place in places if not one.rows(place).empty}


def _of_place(one: Scored, place: Place, recordings: Recordings) -> list[Shelf]:
    rows = one.rows(place)
    test = rows[rows["split"] == "test"].sort_values(["calibrated", "clip"], ascending=[False, True], kind="stable")
    test = test.assign(rank=range(1, len(test) + 1))
    shelves = [("Most anomalous", "the highest scores of all test clips", test)]
    threshold = one.thresholds.get(place)
    if threshold is not None and (test["label"] != "").any():
        above = test["calibrated"] > threshold.value
        misses = test[(test["label"] == "anomaly") & ~above].iloc[::-1]
        alarms = test[(test["label"] == "normal") & above]
        shelves.append(("Worst misses", f"{len(misses)} anomalies lie at or below the threshold; these lie lowest", misses))
        shelves.append(("Worst false alarms", f"{len(alarms)} normal clips lie above the threshold; these lie highest", alarms))
    taken: dict[str, str] = {}
    result = []
    for heading, said, chosen in shelves:
        cards = []
        for row in chosen.head(EACH).to_dict("records"):
            clip = recordings.get(Key(place.machine, place.section, "test", str(row["clip"])))
            cards.append(_card(clip, row, len(test), taken.get(str(row["clip"]), "")))
            taken.setdefault(str(row["clip"]), heading)
        result.append(Shelf(heading, said, tuple(cards)))
    return result


def _card(clip: Clip | None, row: dict[Hashable, Any], count: int, shown_under: str) -> Card:
    return Card(
        name=str(row["clip"]),
        domain=str(row["domain"]),
        label=str(row["label"]),
        attributes=(clip.attributes or "") if clip else "",
        calibrated=float(row["calibrated"]),
        rank=int(row["rank"]),
        of=count,
        clip=clip,
        shown_under=shown_under,
    )


def fill(shelves: Shelves, room: int, progress: Progress) -> Shelves:
    """Put pictures and players in, the first of every heading of every machine first, as long as `room` bytes last.

    A clip whose player does not fit keeps its picture, if that fits.
    """
    filled: dict[tuple[Place, str, int], Card] = {}
    order = [
        (position, place, shelf.heading, card)
        for position in range(EACH)
        for place, own in shelves.items()
        for shelf in own
        for card in shelf.cards[position : position + 1]
        if not card.shown_under
    ]
    for done, (position, place, heading, card) in enumerate(order, 1):
        found = inline(card.clip) if card.clip is not None else "the run does not say where this recording lies"
        if isinstance(found, str):
            card = replace(card, problem=found)
        elif found.size + _MARKUP <= room:
            card, room = replace(card, media=found, audio=True), room - found.size - _MARKUP
        elif len(found.picture) + _MARKUP <= room:
            card, room = replace(card, media=found), room - len(found.picture) - _MARKUP
        else:
            card = replace(card, full=True, problem="the page is full")
        filled[place, heading, position] = card
        progress(done, len(order))
    return {
        place: [
            replace(shelf, cards=_with(filled, place, shelf))
            for shelf in own
        ]
        for place, own in shelves.items()
    }  # fmt: skip


def _with(filled: dict[tuple[Place, str, int], Card], place: Place, shelf: Shelf) -> tuple[Card, ...]:
    return tuple(filled.get((place, shelf.heading, position), card) for position, card in enumerate(shelf.cards))


def every(shelves: Shelves) -> Sequence[Card]:
    """All cards that stand for a clip of their own."""
    return [card for own in shelves.values() for shelf in own for card in shelf.cards if not card.shown_under]
