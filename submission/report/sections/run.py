"""What went into a run: systems, their configurations, and the versions that trained them."""

from collections.abc import Sequence
from typing import Any

from submission.report.rendering import render
from submission.report.scored import Scored
from submission.report.sections import Section
from zoo.running.records import RunInfo


def section(info: RunInfo, scored: Sequence[Scored]) -> Section:
    """Of the systems that are shown, and of the members of the ensembles."""
    shown = {name for one in scored for name in (one.name, *(one.ensemble.systems if one.ensemble else ()))}
    systems = {name: entry for name, entry in info.systems.items() if name in shown}
    return Section("run", "Run", render("sections/run", systems=systems, versions=_versions(info, list(systems))))


def _versions(info: RunInfo, systems: Sequence[str]) -> dict[str, Any]:
    """The versions that trained the systems; by system where they are not the same for all."""
    found: dict[str, Any] = {name: info.versions_of(name) for name in systems}
    different = [versions for versions in found.values() if versions != found[systems[0]]]
    return found if different else found[systems[0]] if systems else info.versions
