"""The search as an Optuna study in the run folder (the only importer of optuna).

Every candidate is a trial, with its weights as parameters, the official score on the labelled machines as its value, and each
machine's score beside it, so that `optuna-dashboard RUN/ensembles/study.log` shows the landscape. The study carries on where a
killed one stopped, and a search over the same scores finds all trials done.

Candidates come from a fixed lattice and not from one of Optuna's adaptive samplers: those go where the score is good, and the
score knows every labelled machine, so that no machine could be held out afterwards. The vectorised metric makes the whole
lattice cheaper than a few hundred adaptive trials.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fusion.metrics import Floats
from fusion.objective import Objective, Parts
from zoo.files import fingerprint

if TYPE_CHECKING:
    from optuna.storages.journal import JournalFileBackend

_BATCH = 128

Bar = Callable[[Sequence[slice]], Iterable[slice]]


def study_name(objective: Objective) -> str:
    """Names what the trials' values depend on: systems, scores, labels, rule."""
    digests = [
        [section.machine, section.section, scores.tobytes().hex(), section.anomalous.tolist(), _listed(section.target)]
        for section, scores in zip(objective.sections, objective.scores, strict=True)
    ]
    return f"fuse-{fingerprint([objective.systems, objective.year, digests])}"


def _listed(mask: np.ndarray | None) -> list[bool] | None:
    return None if mask is None else [bool(value) for value in mask]


def judged_in_study(objective: Objective, weights: Floats, path: Path, bar: Bar = iter) -> Parts:
    """`objective.judge(weights)`, kept in the study at `path` and taken from there where an earlier run got to.

    The caller holds the run's lock. `bar` wraps the batches that are still to do.
    """
    import optuna
    from optuna.storages import JournalStorage

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path.parent.mkdir(parents=True, exist_ok=True)
    _mend(path)
    study = optuna.create_study(
        study_name=f"{study_name(objective)}-{len(weights)}",
        storage=JournalStorage(_journal(path)),
        direction="maximize",
        load_if_exists=True,
    )
    study.set_user_attr("machines", list(objective.machines))
    ranges: dict[str, optuna.distributions.BaseDistribution] = {
        system: optuna.distributions.FloatDistribution(0, 1) for system in objective.systems
    }
    sums = np.full((len(weights), len(objective.machines)), np.nan)
    for trial in study.get_trials(deepcopy=False):
        sums[trial.user_attrs["candidate"]] = trial.user_attrs["sums"]
    first = objective.judge(weights[:1])
    open_ones = np.flatnonzero(np.isnan(sums).any(axis=1))
    for batch in bar([slice(start, start + _BATCH) for start in range(0, len(open_ones), _BATCH)]):
        chosen = open_ones[batch]
        parts = objective.judge(weights[chosen])
        sums[chosen] = parts.sums
        per_machine = [parts.on([machine]).score() for machine in objective.machines]
        study.add_trials(
            [
                optuna.trial.create_trial(
                    params=dict(zip(objective.systems, map(float, weights[candidate]), strict=True)),
                    distributions=ranges,
                    value=float(score),
                    user_attrs={
                        "candidate": int(candidate),
                        "sums": parts.sums[row].tolist(),
                        **{machine: float(own[row]) for machine, own in zip(objective.machines, per_machine, strict=True)},
                    },
                )
                for row, (candidate, score) in enumerate(zip(chosen, parts.score(), strict=True))
            ]
        )
    return Parts(first.machines, weights, sums, first.counts, first.harmonic)


def _journal(path: Path) -> "JournalFileBackend":
    """Optuna's journal file, less the lock and the fsync of each trial (4 ms; the trial itself takes 0.1 ms).

    The run's lock keeps other writers out, and trials that a power failure takes are judged again.
    """
    from optuna.storages.journal import JournalFileBackend

    class Journal(JournalFileBackend):
        def append_logs(self, logs: list[dict[str, Any]]) -> None:
            with path.open("a", encoding="utf-8") as journal:
                journal.writelines(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)

    return Journal(str(path))


def _mend(path: Path) -> None:
    """Take away a line that a killed process left cut short."""
    if path.exists():
        text = path.read_bytes()
        if not text.endswith(b"\n"):
            with path.open("r+b") as journal:
                journal.truncate(text.rfind(b"\n") + 1)
