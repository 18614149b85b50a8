"""A panel for each machine: metrics, curves, distributions, thresholds, embeddings, and clips to listen to."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup

from submission.report.clips import Shelves
from submission.report.figures import Decisions, clearest, decisions, distribution, roc
from submission.report.maps import Maps
from submission.report.rendering import render
from submission.report.scored import Judged, Place, Scored, by_domain
from submission.report.sections import Section
from zoo.data.groups import group_of


class Panel(NamedTuple):
    """What stands under one tab but its clips, drawn once."""

    place: Place
    name: str
    group: str  # the machine's own name where it has none
    judged: Sequence[tuple[Scored, Judged]]
    roc: Sequence[tuple[str, Markup]]
    distributions: Sequence[tuple[Scored, Markup]]
    others: Sequence[tuple[Scored, Markup]]  # distributions of those that are not the clearest
    decisions: Decisions
    maps: Maps | None


def panels(
    scored: Sequence[Scored], names: Mapping[Place, str], groups: Mapping[str, str], maps: Mapping[Place, Maps]
) -> list[Panel]:
    """A panel for each place of `names`; `groups` are machines that were filed by hand."""
    drawn = clearest(scored)
    left = [one for one in scored if one not in drawn]
    return [
        Panel(
            place,
            name,
            group_of(place.machine, groups),
            [(one, one.judged[place]) for one in scored if place in one.judged],
            roc(drawn, place),
            [(one, distribution(one, place)) for one in drawn if not one.rows(place).empty],
            [(one, distribution(one, place)) for one in left if not one.rows(place).empty],
            decisions(scored, place),
            maps.get(place),
        )
        for place, name in names.items()
    ]


def section(panels: Sequence[Panel], scored: Sequence[Scored], shelves: Shelves, listened: Scored) -> Section:
    """`shelves` are clips that were chosen by the scores of `listened`."""
    labelled = any(one.sections for one in scored)
    content: dict[str, object] = {"scored": scored, "shelves": shelves, "listened": listened, "labelled": labelled}
    content["drawn"] = clearest(scored)
    html = render("sections/machines", machines=panels, by_domain=by_domain(scored), **content)
    return Section("machines", "Machines", html)
