"""Weights from labels: the methods, their limits, and what held-out machines must not tell."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from fusion import search
from fusion.combine import Stack, combine, fused_table, stack
from fusion.crossfit import CrossFit, cross_fit, official_of
from fusion.ensemble import OTHERS
from fusion.evaluation import evaluate
from fusion.explain import contributions
from fusion.fit import Plan, fit_ensemble
from fusion.metrics import Floats
from fusion.objective import Objective, Parts
from fusion.search import (
    METHODS,
    MINIMUM_GAIN,
    SETTINGS,
    USUAL,
    Method,
    Problem,
    Setting,
    _cross_validated,
    _needed,
    _removals,
    _stopped,
    chosen_setting,
    mean_of_candidates,
    solve,
)
from fusion.simplex import lattice
from fusion.study import Sampler, Studies
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
    return Problem(objective, objective.judge(lattice(3, 20)), group)


def few(sampler: Sampler = "qmc") -> Studies:
    return Studies(sampler, trials=96)


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
    ensemble, _ = fit_ensemble(stack(tables), Plan(), few())
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
    scores, plan = stacked(), Plan(method=method, groups=("periodic",))
    clips = scores.clips.copy()
    rows = clips.index[(clips["machine"] == "gearbox") & (clips["split"] == "test")]
    clips.loc[rows, "label"] = np.random.default_rng(3).permutation(clips.loc[rows, "label"].to_numpy())
    before, _ = fit_ensemble(scores, plan, few())
    after, _ = fit_ensemble(Stack(scores.systems, clips, scores.calibrated), plan, few())
    assert after.development["gearbox"] == before.development["gearbox"]
    assert after.development["slider"] != before.development["slider"]
    assert after.weights != before.weights
    gearbox = (clips["machine"] == "gearbox").to_numpy()
    fused = [combine(scores, ensemble.weights_of)[gearbox] for ensemble in (before, after)]
    np.testing.assert_array_equal(*fused)
    with_own, _ = fit_ensemble(scores, Plan(method=method, groups=("periodic",), resubstitution=True), few())
    assert with_own.development == {}
    assert with_own.weights == before.weights


@pytest.mark.parametrize("method", METHODS)
def test_cross_validated_score_is_that_of_the_fused_development_machines(method: Method) -> None:
    scores = stacked()
    ensemble, _ = fit_ensemble(scores, Plan(method=method, groups=("periodic",)), few())
    table = fused_table(scores, combine(scores, ensemble.weights_of), "mine")
    assert ensemble.found
    assert evaluate(table, "mine").score == pytest.approx(ensemble.found.cross_validated, abs=1e-12)
    final = ensemble.model_copy(update={"development": {}})
    table = fused_table(scores, combine(scores, final.weights_of), "mine")
    assert evaluate(table, "mine").score == pytest.approx(ensemble.found.resubstitution, abs=1e-12)
    table = fused_table(scores, combine(scores, lambda machine: dict.fromkeys(scores.systems, 1 / 3)), "mine")
    assert evaluate(table, "mine").score == pytest.approx(ensemble.found.equal, abs=1e-12)


def test_evaluation_machines_get_the_weights_of_their_group() -> None:
    ensemble, _ = fit_ensemble(stacked(), Plan(groups=("periodic",)), few())
    assert ensemble.weights_of("RoboticArm") == ensemble.weights["periodic"]
    assert ensemble.weights_of("Scanner") == ensemble.weights[OTHERS]
    assert ensemble.weights_of("gearbox") == ensemble.development["gearbox"]


def test_a_group_with_one_labelled_machine_takes_the_common_weights_unless_told_otherwise() -> None:
    scores = stacked()
    common, _ = fit_ensemble(scores, Plan(groups=("impulsive",)), few())
    assert set(common.weights) == {OTHERS}
    assert common.found
    assert common.found.notes[0].startswith("impulsive has 1 labelled machine, too few")
    told, _ = fit_ensemble(scores, Plan(groups=("impulsive",), minimum_machines=1), few())
    assert set(told.weights) == {OTHERS, "impulsive"}


def test_same_input_same_weights() -> None:
    plan = Plan(groups=("periodic",))
    assert fit_ensemble(stacked(), plan, few())[0] == fit_ensemble(stacked(), plan, few())[0]


def test_official_of_held_out_weights_is_between_worst_and_best() -> None:
    whole = problem()
    fit = cross_fit(whole, "averaged")
    assert fit.cross_validated is not None
    assert whole.parts.score().min() <= fit.cross_validated <= 1
    assert official_of(whole, dict.fromkeys(whole.machines, np.full(3, 1 / 3))) == pytest.approx(
        cross_fit(whole, "equal").cross_validated, abs=1e-12
    )


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
        fit_ensemble(stacked(), Plan(groups=("peri",)), few())
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
    others = [Setting(0.02, 0.5, 0.01), Setting(0.2, 0.0, 0.002)]
    whole = replace(problem(), settings=[USUAL, *others])
    least = MINIMUM_GAIN * np.log(3)

    def chosen(gain: float, harm_gain: float = 0.0) -> Setting:
        monkeypatch.setattr("fusion.search._cross_validated", lambda *_: np.array([0.6, 0.6 + gain, 0.5]))
        monkeypatch.setattr("fusion.search._cross_validated_harms", lambda *_: np.array([0.6, 0.5, 0.6 + harm_gain]))
        return chosen_setting(whole)

    assert chosen(1.01 * least) == others[0]._replace(harm=USUAL.harm)
    assert chosen(0.99 * least) == USUAL
    assert chosen(0.0, 0.99 * least) == USUAL
    assert chosen(0.0, 1.01 * least) == USUAL._replace(harm=others[1].harm)


def test_settings_are_judged_on_machines_left_out() -> None:
    """A setting that believes every label takes, for each machine, the candidate that is best without it."""
    names = [f"machine{index}" for index in range(6)]
    tables = {system: make_table(system, dict.fromkeys(names, 1.0), clips=6) for system in ("a", "b", "c", "d")}
    objective = Objective.of(stack(tables))
    whole = Problem(objective, objective.judge(lattice(4, 8)), dict.fromkeys(names, OTHERS))
    scores = _cross_validated(whole, [Setting(1e-4, 0.0, 0.005), USUAL._replace(temperature=np.inf)])
    by_hand = []
    for machine in names:
        fold = whole.without(machine)
        best = whole.parts.weights[np.argmax(fold.parts.score())]
        by_hand.append(objective.judge(best[None], [machine]).sums[0, 0])
    assert scores[0] == pytest.approx(3 * len(names) / sum(by_hand))
    assert scores[1] == pytest.approx(objective.judge(np.full((1, 4), 0.25)).score()[0])


def test_removal_stops_where_it_brings_less_than_the_threshold() -> None:
    distances = {"alpha": 2.0, "beta": 2.0, "bad": -3.0, "worse": -6.0}
    tables = {system: make_table(system, dict.fromkeys(MACHINES, distance)) for system, distance in distances.items()}
    objective = Objective.of(stack(tables))
    whole = Problem(objective, objective.judge(np.full((1, 4), 0.25)), dict.fromkeys(objective.machines, OTHERS))
    path = _removals(whole, np.full(4, 0.25), np.ones(4))
    assert [np.flatnonzero(vector == 0).tolist() for vector, _ in path[:3]] == [[], [3], [2, 3]]
    for (vector, _), (shorter, rise) in pairwise(path):
        both = objective.judge(np.stack([vector, shorter])).score()
        assert rise == pytest.approx(both[1] - both[0])
    np.testing.assert_array_equal(_stopped(path, np.inf), path[0][0])
    np.testing.assert_array_equal(_stopped(path, (path[1][1] + path[2][1]) / 2), path[1 if path[1][1] > path[2][1] else 0][0])


@pytest.mark.parametrize(("labelled", "trust"), [(1, 0.0), (2, 0.25), (4, 0.75), (5, 1.0)])
def test_few_labels_shrink_to_equal_weights(labelled: int, trust: float, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [*MACHINES, "bearing"]
    distances = {"good": 2.0, "poor": 0.7, "fair": 1.5}
    scores = stack(
        {system: make_table(system, dict.fromkeys(names, far), labelled=names[:labelled]) for system, far in distances.items()}
    )
    ensemble, _ = fit_ensemble(scores, Plan(), few())
    weights = np.array(list(ensemble.weights[OTHERS].values()))
    assert ensemble.found
    said = {1: "one labelled machine is too few", 5: ""}.get(labelled, f"{labelled} labelled machines are few")
    assert any(note.startswith(said) for note in ensemble.found.notes) or not said
    if labelled > 1:
        monkeypatch.setattr("fusion.search.trust_in", lambda machines: 1.0)
        found = np.array(list(fit_ensemble(scores, Plan(), few())[0].weights[OTHERS].values()))
        assert found.max() > 0.4
        np.testing.assert_allclose(weights, trust * found + (1 - trust) * (found > 0) / np.count_nonzero(found), atol=2e-4)
    else:
        np.testing.assert_allclose(weights, 1 / 3)


def test_a_removal_needs_more_where_machines_are_few() -> None:
    whole = problem()
    assert [_needed(0.005, whole.without(*whole.machines[count:])) for count in (1, 2, 5)] == [0.125, 0.03125, 0.005]


@pytest.mark.parametrize("sampler", ["tpe", "cmaes"])
def test_adaptive_samplers_never_see_the_machine_that_is_held_out(sampler: Sampler) -> None:
    scores, plan = stacked(), Plan(groups=("periodic",))
    clips = scores.clips.copy()
    rows = clips.index[(clips["machine"] == "gearbox") & (clips["split"] == "test")]
    clips.loc[rows, "label"] = np.random.default_rng(3).permutation(clips.loc[rows, "label"].to_numpy())
    before, _ = fit_ensemble(scores, plan, Studies(sampler, trials=96))
    after, _ = fit_ensemble(Stack(scores.systems, clips, scores.calibrated), plan, Studies(sampler, trials=96))
    assert after.development["gearbox"] == before.development["gearbox"]
    assert after.development["slider"] != before.development["slider"]


@pytest.mark.parametrize("sampler", ["tpe", "cmaes"])
def test_settings_are_chosen_on_candidates_that_have_not_seen_the_machine_left_out(
    sampler: Sampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With seven machines each fold leaves out one more to choose a setting, whose labels change nothing of its vectors."""
    names = [f"machine{index}" for index in range(7)]
    scores = stack({system: make_table(system, dict.fromkeys(names, far)) for system, far in (("a", 1.0), ("b", 0.3))})
    clips = scores.clips.copy()
    rows = clips.index[(clips["machine"] == names[0]) & (clips["split"] == "test")]
    clips.loc[rows, "label"] = np.random.default_rng(3).permutation(clips.loc[rows, "label"].to_numpy())
    left_out, found = search._left_out, list[list[list[Floats]]]()

    def watched(problem: Problem, vectors: Callable[[Problem, str], Sequence[Floats]]) -> Floats:
        judged = list(vectors(problem.without(names[0]), OTHERS)) if names[0] in problem.machines else []
        if len(judged) == SETTINGS and len(problem.machines) == 6:  # the thresholds of harm depend on what is chosen first
            found[-1].append(judged)
        return left_out(problem, vectors)

    monkeypatch.setattr(search, "_left_out", watched)
    own = []
    for one in (scores, Stack(scores.systems, clips, scores.calibrated)):
        found.append([])
        own.append(fit_ensemble(one, Plan(), Studies(sampler, trials=96))[0].development[names[0]])
    assert own[0] == own[1]  # nor do they change what the machine itself gets
    assert len(found[0]) == 6
    for before, after in zip(*found, strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize(("lead", "said"), [(1.01, True), (0.99, False)])
def test_equal_weights_that_do_better_are_named(lead: float, said: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def fitted(problem: Problem, *arguments: object) -> CrossFit:
        fit = cross_fit(problem, *arguments)  # type: ignore[arg-type]
        return replace(fit, cross_validated=fit.equal - lead * MINIMUM_GAIN)

    monkeypatch.setattr("fusion.fit.cross_fit", fitted)
    found = fit_ensemble(stacked(), Plan(), few())[0].found
    assert found
    assert any("equal weights do better than those found" in note for note in found.notes) == said


def test_leave_one_group_out() -> None:
    """Weights of a periodic machine that saw no periodic machine: those that the others alone give."""
    scores = stacked()
    ensemble, _ = fit_ensemble(scores, Plan(leave_out="group"), few())
    periodic = scores.clips["machine"].isin(["gearbox", "slider"])
    clips = scores.clips.assign(label=scores.clips["label"].where(~periodic, ""))
    others, _ = fit_ensemble(Stack(scores.systems, clips, scores.calibrated), Plan(), few())
    assert ensemble.found
    assert others.found
    assert ensemble.development["gearbox"] == ensemble.development["slider"]
    assert ensemble.development["gearbox"] == others.weights[OTHERS]
    assert ensemble.found.left_out == "group"
    alone, _ = fit_ensemble(
        stack({system: make_table(system, ["gearbox", "slider"]) for system in ("alpha", "beta")}),
        Plan(leave_out="group"),
        few(),
    )
    assert alone.found
    assert alone.found.cross_validated is None
    assert alone.development["gearbox"] == {"alpha": 0.5, "beta": 0.5}


def test_seeds_of_one_system_are_weighed_as_one() -> None:
    names = [*MACHINES, "bearing"]
    seeds = {f"alpha.s{seed}": make_table(f"alpha.s{seed}", dict.fromkeys(names, 1.0)) for seed in range(3)}
    tables = {**seeds, "beta": make_table("beta", dict.fromkeys(names, 1.5))}
    scores = stack(tables)
    ensemble, objective = fit_ensemble(scores, Plan(), few())
    assert objective
    assert objective.systems == ("alpha", "beta")
    weights = ensemble.weights[OTHERS]
    assert list(weights) == list(tables)
    assert len({weights[f"alpha.s{seed}"] for seed in range(3)}) == 1
    assert ensemble.found
    assert "seeds of one system are weighed as one: alpha" in ensemble.found.notes
    fused = fused_table(scores, combine(scores, ensemble.weights_of), "mine")
    assert evaluate(fused, "mine").score == pytest.approx(ensemble.found.cross_validated, abs=1e-12)


def test_all_equal_scores_are_no_trouble() -> None:
    frame = make_table("beta", GOOD_ELSEWHERE).frame.copy()
    frame[["score", "calibrated"]] = 0.0
    tables = {"alpha": make_table("alpha", GOOD_ELSEWHERE), "beta": ScoreTable(frame)}
    ensemble, _ = fit_ensemble(stack(tables), Plan(), few())
    assert ensemble.found
    assert ensemble.found.cross_validated == pytest.approx(evaluate(tables["alpha"], "alpha").score)
