"""Ensembles brought up to date after their members were scored anew."""

from fusion.join import join
from fusion.upkeep import outdated_members
from zoo.errors import AsdzooError
from zoo.running.folder import Run


def bring_up_to_date(run: Run) -> list[str]:
    """Join the members of every outdated ensemble anew, with the weights that it has; the caller holds the run's lock.

    What cannot be brought up to date is a sentence in what is returned.
    """
    notes, renewed, cut = [], [], run.cut_off()
    for name in run.score_names():
        try:
            if name in cut or outdated_members(run, name):
                join(run, name, name=name, skip_missing=True)
                renewed.append(name)
        except AsdzooError as problem:
            notes.append(f"the ensemble {name} is not brought up to date: {problem.message}")
    if renewed:
        notes.insert(0, f"brought up to date, with the weights they have: {', '.join(renewed)}")
    return notes
