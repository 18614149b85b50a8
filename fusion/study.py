"""The search for weights as Optuna studies (with `fusion.storage` the only importer of optuna).

Optuna's samplers propose every candidate through ask and tell, in batches that the vectorised metric judges at once. A trial's
parameters are a quantile in 0..1 for each system (`fusion.simplex` says how they become weights), its value is the official
score on the machines of the study, and its user attributes are the weights, each machine's score, and the score of the machine
that the study holds out: `optuna-dashboard RUN/ensembles/study.log` shows them all.

qmc    Sobol' points. They know no label, so one study serves all weight vectors and all folds of a cross-validation
tpe    tree-structured Parzen estimator, multivariate [Bergstra et al., NIPS 2011]
cmaes  covariance matrix adaptation [Hansen, arXiv:1604.00772], by the package cmaes

tpe and cmaes go where the score is good, and the score knows its machines: each weight vector, and each machine held out, has a
study of its own that never sees the machine it is held out for. What is chosen by leaving machines out within a fold, the
settings of `fusion.search`, is chosen on a qmc study beside them.

Studies are kept in a journal in the run folder. A search that was killed, or is asked for more trials, is replayed: the sampler
proposes the same candidates again, and those that were judged before are not judged anew. With a storage of one's own
(`--storage`), which several hosts may share, the studies live there, and each host adds trials until there are enough.
"""

import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from fusion.metrics import Floats
from fusion.objective import Objective, Parts
from fusion.search import USUAL, Setting
from fusion.simplex import on_simplex, starts
from fusion.storage import private, shared, written
from zoo.data.years import OWN
from zoo.errors import AsdzooError, listed
from zoo.files import fingerprint

if TYPE_CHECKING:
    import optuna

Sampler = Literal["qmc", "tpe", "cmaes"]
SAMPLERS: tuple[Sampler, ...] = get_args(Sampler)
TRIALS = 512
LABEL_BLIND: tuple[Sampler, ...] = ("qmc",)
_BATCH = {"qmc": 128, "tpe": 32, "cmaes": 16}  # an adaptive sampler learns between batches
PARTS = "summands"  # user attribute: what each machine adds to the (harmonic) mean, to carry a search on with
MOST_NAMED = 8  # machines in the name of a study, of which a database takes 512 letters
_LARGEST = 0.9999  # the gamma quantile of 1 is infinite

Bar = Callable[[Iterable[int], int], Iterable[int]]  # counts trials, and how many there will be


def no_bar(trials: Iterable[int], total: int) -> Iterable[int]:
    return trials


@dataclass
class Studies:
    """Where and how candidates are searched for. `journal` is a file that one process writes; `storage` may be shared."""

    sampler: Sampler = "qmc"
    trials: int = TRIALS  # of each study, the fixed starts included
    timeout: float | None = None  # seconds for each study
    seed: int = 0
    journal: Path | None = None
    storage: str | None = None  # URL, or path of a journal that is locked for each write
    bar: Bar = no_bar
    notes: list[str] = field(default_factory=list)  # what cut a search short

    def candidates(self, objective: Objective, machines: Sequence[str], importance: Floats, about: str = "") -> Parts:
        """Candidates for a good score on `machines`, each counted by its `importance`, judged on them.

        `about` names the weight vector in the study's name; the machines that are held out are named there by themselves.
        Raises: AsdzooError for fewer trials than systems, and when the storage cannot be used.
        """
        first = starts(len(objective.systems))
        if self.trials < len(first):
            raise AsdzooError(
                f"{self.trials} trials cannot try {len(objective.systems)} systems", f"--trials {max(TRIALS, 4 * len(first))}"
            )
        held_out = [machine for machine in objective.machines if machine not in machines]
        name = study_name(objective, self.sampler, self.seed, about, held_out)
        counted = np.array([importance[list(machines).index(one)] if one in machines else 0.0 for one in objective.machines])
        with _quiet(), written(self.storage):
            judged = _Search(self, objective, counted, held_out, name).run(first)
        return judged.on(machines)

    def settings(self, count: int, grouped: bool) -> list[Setting]:
        """The usual setting, equal weights, and others to be tried in each fold; they know no label, as Sobol' points do."""
        import optuna

        ranges: dict[str, optuna.distributions.BaseDistribution] = {
            "temperature": optuna.distributions.FloatDistribution(0.005, 0.3, log=True),
            "outside": optuna.distributions.FloatDistribution(0, 1 if grouped else 0),
            "harm": optuna.distributions.FloatDistribution(0.001, 0.02, log=True),
        }
        with _quiet():
            study = optuna.create_study(sampler=_sampler("qmc", self.seed, len(ranges)))
            study.enqueue_trial(USUAL._asdict())
            study.tell(study.ask(ranges), 0.0)  # from here on the sampler knows its space
            tried = [Setting(**study.ask(ranges).params) for _ in range(count - 2)]
        return [USUAL, USUAL._replace(temperature=np.inf), *tried]


@dataclass
class _Search:
    """One study."""

    way: Studies
    objective: Objective
    importance: Floats  # of each machine of the objective; 0 for one held out
    held_out: Sequence[str]
    name: str

    def run(self, first: Floats) -> Parts:
        """The candidates of the study, judged on all machines, in the order of its trials."""
        import optuna

        way, start = self.way, time.monotonic()
        ranges: dict[str, optuna.distributions.BaseDistribution] = {
            name: optuna.distributions.FloatDistribution(0, _LARGEST) for name in self._parameters
        }
        study, kept = self._open()
        known = self._judged(kept) if kept else {}
        if not study.get_trials(deepcopy=False):
            for point in first:
                study.enqueue_trial(dict(zip(self._parameters, map(float, point), strict=True)))
        for size in self._batches(study, len(first), start):
            trials = [study.ask(ranges) for _ in range(size)]
            points = np.array([self._point(trial) for trial in trials])
            self._tell(study, trials, points, known)
            if kept:
                new = study.get_trials(deepcopy=False)[trials[0].number :]
                kept.add_trials([trial for trial in new if self._point(trial) not in known])
        if (told := len(_told(study))) < way.trials:
            way.notes.append(f"the search stopped after {way.timeout:g} s with {told} of {way.trials} trials")
        done = self._judged(study)
        weights = on_simplex(np.array(list(done)))
        whole = self.objective.judge(weights[:1])
        return Parts(whole.machines, weights, np.array(list(done.values())), whole.counts, whole.harmonic)

    def _open(self) -> "tuple[optuna.Study, optuna.Study | None]":
        """The study to ask, and the one of the run's journal to keep its trials in."""
        import optuna

        sampler = _sampler(self.way.sampler, self.way.seed, len(self.objective.systems))
        settings: dict[str, Any] = {"study_name": self.name, "direction": "maximize", "load_if_exists": True}
        if self.way.storage is not None:
            study = optuna.create_study(storage=shared(self.way.storage), sampler=sampler, **settings)
            kept = None
        else:
            study = optuna.create_study(direction="maximize", sampler=sampler)
            journal = self.way.journal
            kept = optuna.create_study(storage=private(journal), **settings) if journal else None
        for one in (study, kept):
            if one is not None and not one.user_attrs:
                one.set_metric_names(["score"])
                for key, said in self._said():
                    one.set_user_attr(key, said)
        return study, kept

    @property
    def _parameters(self) -> list[str]:
        return [parameter(system) for system in self.objective.systems]

    def _said(self) -> Iterator[tuple[str, object]]:
        """What a reader of the study should know."""
        yield "machines", [machine for machine in self.objective.machines if machine not in self.held_out]
        if self.held_out:
            yield "held out", list(self.held_out)
        rule = "mean of AUC and pAUC" if self.objective.year == OWN else f"official score of {self.objective.year}"
        yield "score", f"{rule} on the machines"
        yield "quantile", "of a system's share, the larger the more; the trial's weights are those shares scaled to a sum of 1"

    def _batches(self, study: "optuna.Study", first: int, start: float) -> Iterator[int]:
        """Sizes of the batches that are left to ask for; none after the time is up."""
        way = self.way
        size, total = _BATCH[way.sampler], way.trials

        def sizes() -> Iterator[int]:
            while True:
                done = len(_told(study))
                late = way.timeout is not None and time.monotonic() - start > way.timeout
                if done >= total or (late and done >= first):
                    return
                yield min(size, total - done) if done >= first else first - done

        yield from way.bar(sizes(), total)

    def _judged(self, study: "optuna.Study") -> dict[tuple[float, ...], list[float]]:
        """By candidate, what its machines add to the score.

        One may be tried twice: by hosts that begin at once, and by cmaes, which moves what lies outside the cube onto it.
        """
        return {self._point(trial): trial.user_attrs[PARTS] for trial in _told(study)}

    def _point(self, trial: "optuna.Trial | optuna.trial.FrozenTrial") -> tuple[float, ...]:
        return tuple(float(trial.params[name]) for name in self._parameters)

    def _tell(self, study: "optuna.Study", trials: "list[optuna.Trial]", points: Floats, known: dict[Any, list[float]]) -> None:
        """Judge a batch, and tell the study its scores; candidates in `known` are taken from there."""
        weights = on_simplex(points)
        whole = self.objective.judge(weights[:1])
        sums = np.array([known.get(tuple(point.tolist()), np.full(len(whole.machines), np.nan)) for point in points])
        fresh = np.isnan(sums).any(axis=1)
        if fresh.any():  # the whole batch, so that a replay gives the same bits
            sums = np.where(fresh[:, None], self.objective.judge(weights).sums, sums)
        parts = Parts(whole.machines, weights, sums, whole.counts, whole.harmonic)
        by_machine = {machine: parts.on([machine]).score() for machine in parts.machines}
        for row, (trial, score) in enumerate(zip(trials, parts.score(self.importance), strict=True)):
            named = zip(self.objective.systems, weights[row], strict=True)
            trial.set_user_attr("weights", {system: round(float(weight), 4) for system, weight in named})
            for machine, own in by_machine.items():
                trial.set_user_attr(f"held out: {machine}" if machine in self.held_out else machine, float(own[row]))
            trial.set_user_attr(PARTS, sums[row].tolist())
            study.tell(trial, float(score))


def study_name(objective: Objective, sampler: Sampler, seed: int = 0, about: str = "", held_out: Sequence[str] = ()) -> str:
    """For people, with a fingerprint of what the trials' values depend on: systems, scores, labels, rule."""
    digests = [
        [section.machine, section.section, scores.tobytes().hex(), section.anomalous.tolist(), _listed(section.target)]
        for section, scores in zip(objective.sections, objective.scores, strict=True)
    ]
    vector = f"weights of {about}" if about else "weights"
    without = f", {listed(held_out, MOST_NAMED)} held out" if held_out else ""
    unnamed = [list(held_out)] if len(held_out) > MOST_NAMED else []
    marks = fingerprint([objective.systems, objective.year, digests, *unnamed])
    return f"{vector} by {sampler}{without} (seed {seed}, scores {marks})"


def parameter(system: str) -> str:
    """Its name in a study."""
    return f"{system} (quantile)"


def _told(study: "optuna.Study") -> "list[optuna.trial.FrozenTrial]":
    return [one for one in study.get_trials(deepcopy=False) if one.state.is_finished() and PARTS in one.user_attrs]


def _listed(mask: np.ndarray | None) -> list[bool] | None:
    return None if mask is None else [bool(value) for value in mask]


def _sampler(name: Sampler, seed: int, systems: int) -> "optuna.samplers.BaseSampler":
    from optuna import samplers

    if name == "qmc":
        return samplers.QMCSampler(scramble=True, seed=seed, warn_independent_sampling=False)
    if name == "tpe" or systems == 1:  # CMA-ES needs two dimensions
        return samplers.TPESampler(multivariate=True, seed=seed, n_startup_trials=64, constant_liar=False)
    return samplers.CmaEsSampler(seed=seed, popsize=_BATCH["cmaes"], warn_independent_sampling=False)


@contextmanager
def _quiet() -> Iterator[None]:
    """Optuna's own notes are for those who call it: trials, and samplers that it calls experimental."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield
