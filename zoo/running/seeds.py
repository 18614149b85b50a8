"""Systems with several seeds: their members are systems of a run like any other, and the system itself is their mean.

SYSTEM.s0, SYSTEM.s1, ... are trained, scored and fused one by one; SYSTEM is an ensemble of equal weights, made of their
calibrated scores, so that it is submitted under its own name and no score counts twice where systems are joined.
"""

from collections.abc import Callable, Sequence

from zoo.errors import AsdzooError, listed
from zoo.running.folder import Run
from zoo.running.fusion_door import fusion
from zoo.scores import ScoreTable, family_of
from zoo.systems import System


def require_whole_families(run: Run, systems: Sequence[System]) -> None:
    """Raises: AsdzooError when the run has members of these systems that new ones would not replace, but stand beside."""
    before, ensembles = run.info().systems, fusion().ensembles(run)
    for system in systems:
        family, seeds = family_of(system.name), system.config.seeds
        if seeds > 1:
            mine = {f"{family}.s{seed}" for seed in range(seeds)}
            others = [name for name in before if family_of(name) == family and name not in mine]
            if not others and family in run.score_names() and family not in ensembles:
                others = [family]  # a table that was put there by hand
        else:
            of_seeds = [name for name, entry in before.items() if entry.config.get("seeds", 1) != 1]
            others = [name for name in of_seeds if family_of(name) == system.name]
        if others:
            raise AsdzooError(
                f"the run has {listed(others)}: beside {family} with seeds={seeds}, a seed would count twice",
                "name another folder with --run, or give as many seeds as before",
            )


def join_members(run: Run, systems: Sequence[System], note: Callable[[str], None]) -> list[ScoreTable]:
    """Write the mean of the members of each system with several seeds; their tables, in order."""
    families: dict[str, list[str]] = {}
    for system in systems:
        if system.config.seeds > 1:
            families.setdefault(family_of(system.name), []).append(system.name)
    for family, members in families.items():
        for sentence in fusion().mean_of_seeds(run, members, family):
            note(sentence)
    return [run.scores(family) for family in families]
