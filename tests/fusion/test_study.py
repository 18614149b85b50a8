"""The search as Optuna studies: asked, told, kept, carried on, shared."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from fusion.combine import stack
from fusion.objective import Objective, Parts
from fusion.simplex import on_simplex
from fusion.study import SAMPLERS, Sampler, Studies, study_name
from tests.fusion.runs import make_table
from zoo.errors import AsdzooError

MACHINES = ("gearbox", "slider", "fan")


def objective(seed: int = 0) -> Objective:
    distances = {"alpha": 1.0, "beta": 0.5, "gamma": 2.0}
    return Objective.of(
        stack({name: make_table(name, dict.fromkeys(MACHINES, far), seed=seed) for name, far in distances.items()})
    )


def searched(studies: Studies, one: Objective | None = None) -> Parts:
    one = one or objective()
    return studies.candidates(one, one.machines, np.ones(len(one.machines)))


def opened(path: Path) -> list[optuna.Study]:
    storage = JournalStorage(JournalFileBackend(str(path)))
    return [optuna.load_study(study_name=name, storage=storage) for name in optuna.get_all_study_names(storage)]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_candidates_are_proposed_by_the_sampler_and_judged(sampler: Sampler) -> None:
    parts = searched(Studies(sampler, trials=80))
    assert parts.weights.shape == (80, 3)
    np.testing.assert_allclose(parts.weights[:4], [[1 / 3] * 3, [1, 0, 0], [0, 1, 0], [0, 0, 1]], atol=1e-15)
    assert len(np.unique(parts.weights, axis=0)) == 80
    np.testing.assert_allclose(parts.sums, objective().judge(parts.weights).sums)
    again, other = searched(Studies(sampler, trials=80)), searched(Studies(sampler, trials=80, seed=1))
    np.testing.assert_array_equal(again.weights, parts.weights)
    assert (other.weights != parts.weights).any()


@pytest.mark.parametrize("sampler", ["tpe", "cmaes"])
def test_adaptive_samplers_go_where_the_score_is_good(sampler: Sampler) -> None:
    blind, adaptive = searched(Studies("qmc", trials=256)).score(), searched(Studies(sampler, trials=256)).score()
    assert np.median(adaptive[128:]) > np.median(blind[128:])


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_killed_search_carries_on_and_ends_the_same(
    tmp_path: Path, sampler: Sampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, judged = tmp_path / "study.log", list[int]()

    def dies(sizes: Iterable[int], total: int) -> Iterator[int]:
        assert total == 160
        for count, size in enumerate(sizes):
            if count == 2:
                raise KeyboardInterrupt
            yield size

    with pytest.raises(KeyboardInterrupt):
        searched(Studies(sampler, 160, journal=path, bar=dies))
    with path.open("a") as journal:
        journal.write('{"op_code": 4, "wor')  # a line cut short
    judge = Objective.judge

    def counts(self: Objective, weights: np.ndarray, machines: object = None) -> Parts:
        judged.append(len(weights) if len(weights) > 1 else 0)
        return judge(self, weights, machines)  # type: ignore[arg-type]

    monkeypatch.setattr(Objective, "judge", counts)
    carried_on = searched(Studies(sampler, 160, journal=path))
    assert 0 < sum(judged) < 160
    judged.clear()
    again = searched(Studies(sampler, 160, journal=path))
    assert sum(judged) == 0
    whole = searched(Studies(sampler, 160))
    for parts in (carried_on, again):
        np.testing.assert_array_equal(parts.weights, whole.weights)
        np.testing.assert_array_equal(parts.sums, whole.sums)
    assert len(opened(path)[0].trials) == 160


def test_more_trials_add_to_those_there_are(tmp_path: Path) -> None:
    path = tmp_path / "study.log"
    first, more = searched(Studies(trials=40, journal=path)), searched(Studies(trials=90, journal=path))
    np.testing.assert_array_equal(more.weights[:40], first.weights)
    assert len(opened(path)[0].trials) == 90


def test_study_is_one_that_optuna_opens(tmp_path: Path) -> None:
    one = objective()
    parts = Studies(trials=60, journal=tmp_path / "study.log").candidates(one, ["gearbox", "fan"], np.ones(2), "periodic")
    (study,) = opened(tmp_path / "study.log")
    assert study.study_name.startswith("weights of periodic by qmc, slider held out (seed 0, scores ")
    assert study.study_name == study_name(one, "qmc", 0, "periodic", ["slider"])
    assert study.user_attrs["machines"] == ["fan", "gearbox"]
    assert study.user_attrs["held out"] == ["slider"]
    assert study.metric_names == ["score"]
    assert study.user_attrs["score"] == "official score of 2024 on the machines"
    assert study.best_value == pytest.approx(parts.score().max())
    best = study.best_trial
    weights = on_simplex(np.array([[best.params[f"{system} (quantile)"] for system in one.systems]]))
    assert best.user_attrs["weights"] == dict(zip(one.systems, np.round(weights[0], 4).tolist(), strict=True))
    for machine in MACHINES:
        figure = best.user_attrs[f"held out: {machine}" if machine == "slider" else machine]
        assert figure == pytest.approx(one.judge(weights, [machine]).score()[0])
    assert best.value == pytest.approx(one.judge(weights, ["gearbox", "fan"]).score()[0])


def test_a_candidate_that_is_proposed_again_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """As cmaes does where the best is a corner of the cube; the search ends all the same."""

    class Stubborn(optuna.samplers.RandomSampler):
        def sample_independent(self, *_: object) -> float:
            return 0.25

    monkeypatch.setattr("fusion.study._sampler", lambda *_: Stubborn())
    parts = searched(Studies("cmaes", trials=60))
    assert len(parts.weights) == 5
    np.testing.assert_allclose(parts.weights[-1], [1 / 3] * 3)


def test_time_that_is_up_is_said(tmp_path: Path) -> None:
    studies = Studies(trials=500, timeout=0.0)
    assert len(searched(studies).weights) == 4
    assert studies.notes == ["the search stopped after 0 s with 4 of 500 trials"]


@pytest.mark.parametrize("storage", ["sqlite:///{}/study.db", "{}/shared.log"])
def test_two_processes_share_a_storage(tmp_path: Path, storage: str) -> None:
    where = storage.format(tmp_path)
    program = (
        "from tests.fusion.test_study import *\n"
        f"parts = searched(Studies(trials=8, storage={where!r}))\n"
        "assert len(parts.weights) >= 4\n"
    )
    root = Path(__file__).parents[2]
    others = [subprocess.Popen([sys.executable, "-c", program], cwd=root) for _ in range(2)]  # at once: one makes the tables
    assert [other.wait(60) for other in others] == [0, 0]
    mine = searched(Studies(trials=24, storage=where))
    assert len(np.unique(mine.weights, axis=0)) == len(mine.weights) >= 16  # each may have begun with the first four
    np.testing.assert_allclose(mine.sums, objective().judge(mine.weights).sums)
    later = searched(Studies(trials=8, storage=where))
    assert len(later.weights) >= len(mine.weights)


def test_a_storage_that_cannot_be_opened() -> None:
    with pytest.raises(AsdzooError, match="the storage nosuch://x cannot be opened") as problem:
        searched(Studies(storage="nosuch://x"))
    assert "sqlite:///study.db" in problem.value.hint


def test_a_storage_that_fails_in_the_search(tmp_path: Path) -> None:
    where = tmp_path / "study.db"
    storage = f"sqlite:///{where}"
    searched(Studies(trials=8, storage=storage))

    def breaks(sizes: Iterable[int], total: int) -> Iterator[int]:
        for size in sizes:
            with sqlite3.connect(where) as database:
                database.execute("drop table trial_params")
            yield size

    with pytest.raises(AsdzooError, match=r"study\.db fails: .*no such table: trial_params") as problem:
        searched(Studies(trials=40, storage=storage, bar=breaks))
    assert "the trials it has count" in problem.value.hint


def test_too_few_trials() -> None:
    with pytest.raises(AsdzooError, match="3 trials cannot try 3 systems"):
        searched(Studies(trials=3))


def test_other_scores_are_another_study() -> None:
    first, second = objective(), objective(seed=1)
    assert study_name(first, "qmc") == study_name(objective(), "qmc")
    assert study_name(first, "qmc") != study_name(second, "qmc")


def test_many_machines_held_out_have_a_name_of_their_own_all_the_same() -> None:
    many = [f"machine_with_a_long_name_{index}" for index in range(60)]
    names = [study_name(objective(), "tpe", held_out=held_out) for held_out in (many, many[:50], many[:8], many[:7])]
    assert len(set(names)) == 4
    assert max(map(len, names)) < 512
    assert "and 52 more held out" in names[0]


def test_settings_begin_with_the_usual_and_equal_weights() -> None:
    usual, equal, *others = Studies().settings(10, grouped=True)
    assert usual.temperature == 0.06
    assert np.isinf(equal.temperature)
    assert len(set(others)) == 8
    assert {one.outside for one in Studies().settings(10, grouped=False)} == {0.0}
