"""What the room `fusion/` lends to the Python door. No room is imported from the left, so it is found by its entry point."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import pandas as pd

from zoo import registry
from zoo.running.folder import Run
from zoo.scores import ScoreTable


class Fusion(Protocol):
    """The extension `fusion`, which `fusion.door` is."""

    def evaluate(self, run: Run, names: Sequence[str] | None) -> tuple[pd.DataFrame, list[str]]:
        """Rows of evaluation.csv, and what a reader must know."""

    def bring_up_to_date(self, run: Run) -> list[str]:
        """Joins outdated ensembles anew; the caller holds the run's lock."""

    def older_tables(self, run: Run) -> list[str]:
        """A sentence for each score table that is older than what it was made from."""

    def ensembles(self, run: Run) -> list[str]:
        """Names of the ensembles with scores."""

    def members(self, run: Run, name: str, machine: str) -> list[str]:
        """Members of an ensemble with a weight for a machine."""

    def fused(self, run: Run, name: str, tables: Mapping[str, ScoreTable]) -> ScoreTable:
        """The ensemble's scores of one machine's clips."""

    def equal(self, run: Run, systems: Sequence[str], name: str) -> list[str]:
        """Write the ensemble of these systems with equal weights; what a reader must know of it."""

    def mean_of_seeds(self, run: Run, members: Sequence[str], name: str) -> list[str]:
        """Write the ensemble of one system's members; what a reader must know of it."""


def fusion() -> Fusion:
    """Raises: AsdzooError when it is not installed."""
    found: Fusion = registry.extension("fusion")
    return found
