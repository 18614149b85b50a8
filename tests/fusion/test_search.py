"""Weights from labels: the methods, their limits, and what held-out machines must not tell."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion.combine import Stack, combine, fused_table, stack
from fusion.crossfit import cross_fit, official_of
from fusion.ensemble import OTHERS
from fusion.evaluation import evaluate
from fusion.explain import contributions
from fusion.fit import Plan, fit_ensemble
from fusion.objective import Objective, Parts
from fusion.search import (
    METHODS,
    MINIMUM_GAIN,
    OUTSIDE,
    TEMPERATURES,
    USUAL,
    Method,
    Problem,
    chosen_setting,
    mean_of_candidates,
    solve,
)
from fusion.simplex import finest_lattice, lattice, rounded
from fusion.study import judged_in_study, study_name
from tests.fusion.runs import MACHINES, make_table
from zoo.errors import AsdzooError
from zoo.scores import ScoreTable

GOOD_ON_PERIODIC = {"gearbox": 4.0, "slider": 4.0, "fan": -0.5, "valve": -0.5, "bearing": -0.5}
GOOD_ELSEWHERE = {"gearbox": 0.3, "slider": 0.3, "fan": 3.0, "valve": 3.0, "bearing": 3.0}


def stacked(year: str = "2024", **options: object) -> Stack:
    tables = {
        "alpha": make_table("alpha", GOOD_ELSEWHERE, year=year, **options),  # type: ignore[arg-type]
        "beta": make_table("beta", dict.fromkeys(GOOD_ELSEWHERE, 0.7), year=year, **options),  # type: ignore[arg-type]
        "gamma": make_table("gamma", GOOD_ON_PERIODIC, year=year, **options),  # type: ignore[arg-type]
    }
    return stack(tables)


def problem(year: str = "2024", named: Sequence[str] = ("gearbox", "slider")) -> Problem:
    objective = Objective.of(stacked(year))
    group = {machine: "periodic" if machine in named else OTHERS for machine in objective.machines}
    return Problem(objective, objective.judge(finest_lattice(3, 300)), group)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 6), st.integers(1, 8))
def test_lattice_is_all_of_the_simplex_and_treats_systems_alike(systems: int, steps: int) -> None:
    weights = lattice(systems, steps)
    assert len(np.unique(weights, axis=0)) == len(weights)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    np.testing.assert_allclose(weights.mean(axis=0), 1 / systems)
    assert (weights >= 0).all()


def test_lattice_of_the_paper() -> None:
    assert len(lattice(5, 20)) == 10626
    assert len(finest_lattice(5, 1364)) == 1001
    assert len(finest_lattice(1, 10)) == 1
    assert len(finest_lattice(2, 10**6)) == 21
    with pytest.raises(AsdzooError, match=r"10 systems have 10015005 weight vectors of step 0\.05"):
        lattice(10, 20)
    with pytest.raises(AsdzooError, match="4 trials cannot try 5 systems"):
        finest_lattice(5, 4)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=6))
def test_rounded_weights_still_sum_to_one(values: list[float]) -> None:
    weights = rounded(np.array(values) / sum(values))
    assert abs(weights.sum() - 1) < 1e-12
    assert (weights >= 0).all()


@pytest.mark.parametrize("year", ["2020", "2021", "2024", "own"])
def test_objective_is_the_official_score_of_the_fused_table(year: str) -> None:
    scores = stacked(year, domains=year != "2020")
    objective = Objective.of(scores)
    weights = {"alpha": 0.5, "beta": 0.2, "gamma": 0.3}
    table = fused_table(scores, combine(scores, lambda machine: weights), "mine")
    found = objective.judge(np.array([[0.5, 0.2, 0.3]])).score()
    assert found == pytest.approx(evaluate(table, "mine").score, abs=1e-12)


def test_objective_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    objective, weights = Objective.of(stacked()), lattice(3, 6)
    whole = objective.judge(weights).sums
    monkeypatch.setattr("fusion.objective._CHUNK", 100)
    np.testing.assert_allclose(objective.judge(weights).sums, whole, rtol=1e-12)


def test_importance_of_zero_leaves_a_machine_out() -> None:
    parts = problem().parts
    importance = np.array([1.0, 0, 1, 1, 0])
    kept = [machine for machine, counts in zip(parts.machines, importance, strict=True) if counts]
    np.testing.assert_allclose(parts.score(importance), parts.on(kept).score())


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_weights(method: Method) -> None:
    solution = solve(problem(), method)
    for vector in solution.vectors.values():
        assert vector.shape == (3,)
        assert abs(vector.sum() - 1) < 1e-9
        assert (vector >= 0).all()
    assert set(solution.vectors) == ({OTHERS} if method == "equal" else {OTHERS, "periodic"})


@pytest.mark.parametrize("method", ["averaged", "grid", "greedy"])
def test_the_system_that_is_good_for_one_group_is_found(method: Method) -> None:
    solution = solve(problem(), method)
    assert np.argmax(solution.of("periodic")) == 2
    assert np.argmax(solution.of(OTHERS)) == 0


def test_grid_is_the_best_of_all() -> None:
    whole = problem(named=())
    best = solve(whole, "grid").of(OTHERS)
    assert whole.objective.judge(best[None]).score()[0] == whole.parts.score().max()
    greedy = solve(whole, "greedy").of(OTHERS)
    assert whole.objective.judge(greedy[None]).score()[0] >= whole.objective.judge(np.eye(3)).score().max()


def test_a_system_that_does_harm_gets_no_weight() -> None:
    distances = {"alpha": 2.0, "beta": 2.0, "bad": -3.0}
    tables = {system: make_table(system, dict.fromkeys(MACHINES, distance)) for system, distance in distances.items()}
    ensemble, _ = fit_ensemble(stack(tables), Plan())
    assert ensemble.weights[OTHERS]["bad"] == 0
    assert ensemble.found
    assert "bad got no weight" in ensemble.found.notes


def test_without_labels_or_with_one_machine() -> None:
    whole = problem()
    nothing = Problem(whole.objective, whole.parts.on([]), whole.group)
    for method in METHODS:
        np.testing.assert_allclose(solve(nothing, method).of("periodic"), 1 / 3)
        one = Problem(whole.objective, whole.parts.on(["fan"]), whole.group)
        assert abs(solve(one, method).of(OTHERS).sum() - 1) < 1e-9


@pytest.mark.parametrize("method", ["averaged", "grid", "greedy"])
def test_labels_of_a_machine_do_not_touch_its_own_weights(method: Method) -> None:
    """Shuffle gearbox's labels: the weights for the others change, its own and so its fused scores do not."""
    scores, plan = stacked(), Plan(method=method, groups=("periodic",), trials=300)
    clips = scores.clips.copy()
    rows = clips.index[(clips["machine"] == "gearbox") & (clips["split"] == "test")]
    clips.loc[rows, "label"] = np.random.default_rng(3).permutation(clips.loc[rows, "label"].to_numpy())
    before, _ = fit_ensemble(scores, plan)
    after, _ = fit_ensemble(Stack(scores.systems, clips, scores.calibrated), plan)
    assert after.development["gearbox"] == before.development["gearbox"]
    assert after.development["slider"] != before.development["slider"]
    assert after.weights != before.weights
    gearbox = (clips["machine"] == "gearbox").to_numpy()
    fused = [combine(scores, ensemble.weights_of)[gearbox] for ensemble in (before, after)]
    np.testing.assert_array_equal(*fused)
    with_own, _ = fit_ensemble(scores, Plan(method=method, groups=("periodic",), trials=300, resubstitution=True))
    assert with_own.development == {}
    assert with_own.weights == before.weights


@pytest.mark.parametrize("method", METHODS)
def test_cross_validated_score_is_that_of_the_fused_development_machines(method: Method) -> None:
    scores = stacked()
    ensemble, _ = fit_ensemble(scores, Plan(method=method, groups=("periodic",), trials=300))
    table = fused_table(scores, combine(scores, ensemble.weights_of), "mine")
    assert ensemble.found
    assert evaluate(table, "mine").score == pytest.approx(ensemble.found.cross_validated, abs=1e-12)
    final = ensemble.model_copy(update={"development": {}})
    table = fused_table(scores, combine(scores, final.weights_of), "mine")
    assert evaluate(table, "mine").score == pytest.approx(ensemble.found.resubstitution, abs=1e-12)


def test_evaluation_machines_get_the_weights_of_their_group() -> None:
    ensemble, _ = fit_ensemble(stacked(), Plan(groups=("periodic",), trials=300))
    assert ensemble.weights_of("RoboticArm") == ensemble.weights["periodic"]
    assert ensemble.weights_of("Scanner") == ensemble.weights[OTHERS]
    assert ensemble.weights_of("gearbox") == ensemble.development["gearbox"]


def test_a_group_with_one_labelled_machine_takes_the_common_weights_unless_told_otherwise() -> None:
    scores = stacked()
    common, _ = fit_ensemble(scores, Plan(groups=("impulsive",), trials=300))
    assert set(common.weights) == {OTHERS}
    assert common.found
    assert common.found.notes[0].startswith("impulsive has 1 labelled machine, too few")
    told, _ = fit_ensemble(scores, Plan(groups=("impulsive",), trials=300, minimum_machines=1))
    assert set(told.weights) == {OTHERS, "impulsive"}


def test_same_input_same_weights() -> None:
    plan = Plan(groups=("periodic",), trials=300)
    assert fit_ensemble(stacked(), plan)[0] == fit_ensemble(stacked(), plan)[0]


def test_official_of_held_out_weights_is_between_worst_and_best() -> None:
    whole = problem()
    fit = cross_fit(whole, "averaged")
    assert fit.cross_validated is not None
    assert whole.parts.score().min() <= fit.cross_validated <= 1
    assert official_of(whole, dict.fromkeys(whole.machines, np.full(3, 1 / 3))) == pytest.approx(
        cross_fit(whole, "equal").cross_validated, abs=1e-12
    )


def test_study_carries_on_where_a_killed_one_stopped(tmp_path: Path) -> None:
    objective, weights, path = Objective.of(stacked()), lattice(3, 25), tmp_path / "study.log"

    def dies(batches: Sequence[slice]) -> Sequence[slice]:
        return batches[:1]

    unfinished = judged_in_study(objective, weights, path, dies)
    assert 0 < np.isnan(unfinished.sums).any(axis=1).sum() < len(weights)
    with path.open("a") as journal:
        journal.write('{"op_code": 4, "wor')  # a line cut short
    counted: list[int] = []

    def counts(batches: Sequence[slice]) -> Sequence[slice]:
        counted.append(len(batches))
        return batches

    carried_on = judged_in_study(objective, weights, path, counts)
    again = judged_in_study(objective, weights, path, counts)
    np.testing.assert_array_equal(carried_on.sums, objective.judge(weights).sums)
    np.testing.assert_array_equal(again.sums, carried_on.sums)
    assert counted == [2, 0]


def test_study_is_one_that_optuna_opens(tmp_path: Path) -> None:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    objective, weights, path = Objective.of(stacked()), lattice(3, 4), tmp_path / "study.log"
    parts = judged_in_study(objective, weights, path)
    storage = JournalStorage(JournalFileBackend(str(path)))
    study = optuna.load_study(study_name=f"{study_name(objective)}-{len(weights)}", storage=storage)
    assert len(study.trials) == len(weights)
    assert study.best_value == pytest.approx(parts.score().max())
    assert set(study.best_params) == {"alpha", "beta", "gamma"}
    assert study.best_trial.user_attrs["fan"] == pytest.approx(
        parts.on(["fan"]).score()[study.best_trial.user_attrs["candidate"]]
    )


def test_other_scores_are_another_study() -> None:
    first, second = Objective.of(stacked()), Objective.of(stacked(seed=1))
    assert study_name(first) == study_name(Objective.of(stacked()))
    assert study_name(first) != study_name(second)


def test_contributions_are_what_leaving_a_member_out_costs() -> None:
    scores = stacked()
    objective = Objective.of(scores)
    weights = {"alpha": 0.5, "beta": 0.5}
    brought = contributions(objective, lambda machine: weights)
    both, without = objective.judge(np.array([[0.5, 0.5, 0], [0, 1.0, 0]]), ["fan"]).score()
    assert brought["fan"][0] == pytest.approx(both - without)
    assert brought["fan"][2] is None
    assert contributions(objective, lambda machine: {"beta": 1.0})["fan"] == [None, None, None]


def test_what_cannot_be_searched() -> None:
    with pytest.raises(AsdzooError, match="unknown group 'peri'"):
        fit_ensemble(stacked(), Plan(groups=("peri",)))
    with pytest.raises(AsdzooError, match="the combiner max takes no weights"):
        Objective.of(stacked(), "max")
    tables = {"alpha": make_table("alpha", ["fan", "valve"]), "beta": make_table("beta", ["fan"])}
    with pytest.raises(AsdzooError, match="beta has no scores for valve"):
        Objective.of(stack(tables, partial=True))


def only_machines(score: Sequence[Sequence[float]], counts: Sequence[int] = (3, 3)) -> Parts:
    """Candidates of two systems, equal weights and each alone, with these scores on each machine."""
    values = np.asarray(score)
    machines = tuple(f"m{index}" for index in range(values.shape[1]))
    numbers = np.array(counts, dtype=float)
    return Parts(machines, np.array([[0.5, 0.5], [1, 0], [0, 1.0]]), numbers / values, numbers, True)


def test_evidence_grows_with_the_number_of_machines() -> None:
    """exp(machines x score / temperature), by hand; and two machines alike believe the square of what one does."""
    one, two = only_machines([[0.6], [0.65], [0.5]], [3]), only_machines([[0.6] * 2, [0.65] * 2, [0.5] * 2])
    for parts, machines in ((one, 1), (two, 2)):
        belief = np.exp(machines * np.array([0.6, 0.65, 0.5]) / 0.06)
        expected = belief / belief.sum() @ parts.weights
        np.testing.assert_allclose(mean_of_candidates(parts, np.ones(machines), 0.06), expected)


def test_another_setting_needs_more_than_a_chance_gain(monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual setting holds unless another does better by MINIMUM_GAIN times the logarithm of how many were tried."""
    whole = problem()

    def gains(gain: float) -> tuple[float, float]:
        def scores(problem: Problem, settings: Sequence[tuple[float, float]]) -> np.ndarray:
            return np.array([0.6 + gain * (index == 0) for index, _ in enumerate(settings)])

        monkeypatch.setattr("fusion.search._cross_validated", scores)
        return chosen_setting(whole)

    tried = len(TEMPERATURES) * len(OUTSIDE)
    assert gains(1.01 * MINIMUM_GAIN * np.log(tried)) != USUAL
    assert gains(0.99 * MINIMUM_GAIN * np.log(tried)) == USUAL
    assert gains(0.0) == USUAL


def test_all_equal_scores_are_no_trouble() -> None:
    frame = make_table("beta", GOOD_ELSEWHERE).frame.copy()
    frame[["score", "calibrated"]] = 0.0
    tables = {"alpha": make_table("alpha", GOOD_ELSEWHERE), "beta": ScoreTable(frame)}
    ensemble, _ = fit_ensemble(stack(tables), Plan())
    assert ensemble.found
    assert ensemble.found.cross_validated == pytest.approx(evaluate(tables["alpha"], "alpha").score)
