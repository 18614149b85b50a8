"""The training loop: what it learns, what it survives, and that an interruption changes nothing."""

import copy
import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from zoo.errors import AsdzooError
from zoo.networks import Network
from zoo.training.data import TrainingData
from zoo.training.devices import accelerator_for
from zoo.training.loop import Hooks, Trainer, TrainingConfig
from zoo.training.sampling import Indices, Order, split_holdout
from zoo.training.schedules import learning_rate

CLIPS, SAMPLES, CLASSES = 24, 16, 3


class Linear(Network):
    """A classifier with noise, so that random numbers matter, and batch norm, so that statistics do."""

    dim = 4

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(SAMPLES, 4)
        self.norm = nn.BatchNorm1d(4)
        self.head = nn.Linear(4, CLASSES)
        self.largest_batch = 10**9
        self.batches: list[int] = []

    def forward(self, waves: Tensor, lengths: Tensor | None = None) -> Tensor:
        if self.training:
            waves = waves + 0.1 * torch.randn_like(waves)
        embedding: Tensor = self.norm(self.body(waves))
        return embedding

    def losses(self, waves: Tensor, labels: Tensor, lengths: Tensor | None = None) -> dict[str, Tensor]:
        if len(waves) > self.largest_batch:
            raise torch.OutOfMemoryError("too large")
        self.batches.append(len(waves))
        embedding = self(waves)
        return {
            "class": nn.functional.cross_entropy(self.head(embedding), labels),
            "size": 0.01 * embedding.square().mean(),
        }


class WithoutBatchNorm(Linear):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.Identity()  # type: ignore[assignment]

    def forward(self, waves: Tensor, lengths: Tensor | None = None) -> Tensor:
        embedding: Tensor = self.body(waves)
        return embedding


def data(poison: float | None = None) -> TrainingData:
    generator = np.random.default_rng(0)
    labels = np.arange(CLIPS) % CLASSES
    waves = torch.from_numpy(generator.normal(size=(CLIPS, SAMPLES)).astype(np.float32))
    waves[np.arange(CLIPS), labels] += 3
    if poison is not None:
        waves[5, 0] = poison

    def fetch(indices: Indices, generator: np.random.Generator | None) -> tuple[Tensor, Tensor, Tensor]:
        return waves[indices], torch.from_numpy(labels[indices]), torch.full((len(indices),), SAMPLES)

    labels = labels.astype(np.int64)
    return TrainingData(fetch, labels, [f"clip{i}.wav" for i in range(CLIPS)])


def trained(
    config: TrainingConfig, make: Callable[[], Linear] = Linear, resume: Any = None, hooks: Hooks | None = None, seed: int = 3
) -> tuple[Linear, Trainer]:
    torch.manual_seed(7)
    network = make()
    trainer = Trainer(network, data(), config, seed, accelerator_for("cpu"), hooks)
    trainer.run(resume)
    return network, trainer


def same(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


CONFIG = TrainingConfig(steps=30, batch=8, learning_rate=0.05, validate_every=5, holdout=0.25, average=3)


def test_the_loss_falls() -> None:
    _, trainer = trained(CONFIG)
    held_out = [row["held_out"] for row in trainer.history]
    assert held_out[-1] < held_out[0]
    assert held_out[-1] < 0.75 * np.log(CLASSES)  # what guessing costs
    assert [row["step"] for row in trainer.history] == [5, 10, 15, 20, 25, 30]


def test_a_training_knows_whether_it_learnt_anything_that_carries_over() -> None:
    for make, changes, nothing in (
        (Linear, {}, False),
        (WithoutBatchNorm, {"learning_rate": 1e-30}, True),  # the weights stay as they were
        (Linear, {"holdout": 0.0}, False),  # not known
    ):
        _, trainer = trained(CONFIG.model_copy(update=changes), make)
        assert trainer.learnt_nothing == nothing
        assert (trainer.start is None) == ("holdout" in changes)


@pytest.mark.parametrize("steps", [10, 12])  # a validation, and none
def test_a_longer_training_goes_on_where_a_shorter_one_ended(steps: int) -> None:
    states: list[Any] = []
    trained(CONFIG.model_copy(update={"steps": steps}), hooks=Hooks(ended=lambda *end: states.append(copy.deepcopy(end))))
    ((state, stopped),) = states
    assert not stopped
    network, trainer = trained(CONFIG, resume=state)
    undisturbed, other = trained(CONFIG)
    assert same(network, undisturbed)
    assert [row["held_out"] for row in trainer.history] == [row["held_out"] for row in other.history]


def test_a_training_ends_when_its_time_is_over_and_goes_on_with_more() -> None:
    state, steps = None, []
    for _ in range(CONFIG.steps):
        states: list[Any] = []
        hooks = Hooks(seconds=0.0, ended=lambda *end: states.append(copy.deepcopy(end)), done=steps.append)  # noqa: B023
        network, trainer = trained(CONFIG, resume=state, hooks=hooks)
        ((state, stopped),) = states
        assert stopped == trainer.stopped == (trainer.step < CONFIG.steps)
    assert steps == list(range(1, CONFIG.steps + 1))
    assert same(network, trained(CONFIG)[0])


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    assert same(trained(CONFIG)[0], trained(CONFIG)[0])
    assert not same(trained(CONFIG)[0], trained(CONFIG, seed=4)[0])


@pytest.mark.parametrize("interrupted_at", [1, 5, 13, 29])
def test_interrupted_and_resumed_equals_undisturbed(interrupted_at: int) -> None:
    states: list[Any] = []
    hooks = Hooks(save=lambda state: states.append(copy.deepcopy(state)), save_seconds=0.0)
    undisturbed, _ = trained(CONFIG, hooks=hooks)
    resumed, trainer = trained(CONFIG, resume=states[interrupted_at - 1])
    assert same(undisturbed, resumed)
    assert len(trainer.history) == 6


def test_accumulated_micro_batches_equal_one_batch() -> None:
    whole = trained(TrainingConfig(steps=5, batch=8, accumulation=1), WithoutBatchNorm)[0]
    parts = trained(TrainingConfig(steps=5, batch=2, accumulation=4), WithoutBatchNorm)[0]
    assert parts.batches == [2] * 20
    for a, b in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_out_of_memory_halves_the_micro_batch_and_goes_on() -> None:
    def small() -> Linear:
        network = WithoutBatchNorm()
        network.largest_batch = 3
        return network

    notes: list[str] = []
    config = TrainingConfig(steps=5, batch=8)
    network, _ = trained(config, small, hooks=Hooks(note=notes.append))
    for a, b in zip(trained(config, WithoutBatchNorm)[0].parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(a, b)
    assert notes == [f"out of memory: going on with {n} clips at a time, more accumulation" for n in (4, 2)]


def test_one_clip_that_does_not_fit_is_an_error() -> None:
    def tiny() -> Linear:
        network = WithoutBatchNorm()
        network.largest_batch = 0
        return network

    with pytest.raises(AsdzooError, match="one clip alone does not fit"):
        trained(TrainingConfig(steps=1, batch=4), tiny)


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_names_step_rate_and_clips(poison: float) -> None:
    network = WithoutBatchNorm()
    trainer = Trainer(network, data(poison), TrainingConfig(steps=50, batch=4, learning_rate=0.01), 0, accelerator_for("cpu"))
    with pytest.raises(AsdzooError, match=r"not finite at step \d+ \(learning rate 0.01\): class = nan.*clips clip") as problem:
        trainer.run()
    assert "--set training.learning_rate" in problem.value.hint
    assert all(parameter.isfinite().all() for parameter in network.parameters())


class Diverging(WithoutBatchNorm):
    """Its loss is NaN from the tenth step on."""

    def __init__(self) -> None:
        super().__init__()
        self.taken = 0

    def losses(self, waves: Tensor, labels: Tensor, lengths: Tensor | None = None) -> dict[str, Tensor]:
        self.taken += self.training
        poison = float("nan") if self.taken >= 10 and self.training else 1.0
        return {name: loss * poison for name, loss in super().losses(waves, labels).items()}


@pytest.mark.parametrize("overlap", [False, True])
def test_a_training_that_stops_by_itself_stops_where_it_diverges_and_keeps_the_best(overlap: bool) -> None:
    said: list[str] = []
    config = TrainingConfig(steps=50, batch=8, learning_rate=0.05, validate_every=2, holdout=0.25, patience=20, overlap=overlap)
    network, trainer = trained(config, Diverging, hooks=Hooks(note=said.append))
    (sentence,) = said
    assert sentence.startswith("the loss is not finite at step 9 (learning rate 0.05): class = nan")
    assert sentence.endswith("training stops there, and the best held-out weights are kept")
    assert all(parameter.isfinite().all() for parameter in network.parameters())
    assert trainer._held_out_loss() == pytest.approx(min(row["held_out"] for row in trainer.history), rel=1e-5)
    with pytest.raises(AsdzooError, match="not finite at step 9"):
        trained(config.model_copy(update={"patience": None}), Diverging)


def test_patience_stops_early_and_takes_the_best() -> None:
    config = TrainingConfig(steps=500, batch=8, learning_rate=0.5, validate_every=2, holdout=0.25, patience=3)
    _, trainer = trained(config)
    assert trainer.step < 500
    held_out = [row["held_out"] for row in trainer.history]
    assert min(held_out) not in held_out[-3:]
    assert trainer._held_out_loss() == pytest.approx(min(held_out), rel=1e-5)


def test_the_average_is_the_mean_of_the_best_checkpoints_with_fresh_batch_norm() -> None:
    network, trainer = trained(CONFIG)
    losses = sorted(row["held_out"] for row in trainer.history)
    assert [loss for loss, _, _ in trainer.best.kept] == losses[:3]
    mean = torch.stack([weights["head.weight"] for _, _, weights in trainer.best.kept]).double().mean(0).float()
    assert torch.equal(network.head.weight, mean)
    averaged_statistics = torch.stack([weights["norm.running_mean"] for _, _, weights in trainer.best.kept]).mean(0)
    assert not torch.allclose(network.norm.running_mean, averaged_statistics)  # re-estimated, not averaged
    assert network.norm.momentum == 0.1
    assert not network.training


def test_without_steps_the_network_stays_as_it_was() -> None:
    network, _ = trained(TrainingConfig(steps=0))
    torch.manual_seed(7)
    assert same(network, Linear())


def test_gradient_clipping_bounds_the_step() -> None:
    config = TrainingConfig(steps=1, batch=8, optimizer="adam", learning_rate=1.0)
    assert not same(trained(config)[0], trained(config.model_copy(update={"clip_norm": 1e-9}))[0])


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
@pytest.mark.filterwarnings("ignore")  # torch's own, while it compiles
def test_compiled_losses_give_the_same_numbers() -> None:
    config = TrainingConfig(steps=3, batch=8)
    plain, compiled = (
        trained(config, WithoutBatchNorm)[0],
        trained(config.model_copy(update={"compile": True}), WithoutBatchNorm)[0],
    )
    for a, b in zip(plain.parameters(), compiled.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def told(config: TrainingConfig, **given: Any) -> tuple[Linear, Trainer, list[tuple[int, float]]]:
    """A training, with the steps and losses that its caller heard of."""
    steps: list[tuple[int, float]] = []
    hooks = Hooks(stepped=lambda taken: steps.append((taken.step, taken.loss)), **given)
    return *trained(config, hooks=hooks), steps


def timeless(history: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{key: value for key, value in row.items() if key != "clips_per_second"} for row in history]


def test_losses_that_are_read_a_step_late_are_the_same() -> None:
    network, at_once, steps = told(CONFIG)
    again, late, later = told(CONFIG.model_copy(update={"overlap": True}))
    assert (at_once.overlaps, late.overlaps) == (False, True)
    assert later == steps
    assert [step for step, _ in steps] == list(range(1, 31))
    assert timeless(late.history) == timeless(at_once.history)
    assert same(network, again)


def test_a_loss_is_told_when_the_next_step_was_taken() -> None:
    taken: list[int] = []
    heard: list[tuple[int, int]] = []
    torch.manual_seed(7)
    config = CONFIG.model_copy(update={"overlap": True, "steps": 7})
    trainer = Trainer(Linear(), data(), config, 3, accelerator_for("cpu"))
    trainer.optimizer.register_step_post_hook(lambda *_: taken.append(len(taken)))
    trainer.hooks.stepped = lambda step: heard.append((step.step, len(taken)))
    trainer.run()
    assert heard == [(1, 2), (2, 3), (3, 4), (4, 5), (5, 5), (6, 7), (7, 7)]  # a validation and the end wait for no other


@pytest.mark.parametrize("interrupted_at", [1, 5, 13, 29])
def test_a_late_training_is_interrupted_and_resumed(interrupted_at: int) -> None:
    states: list[Any] = []
    config = CONFIG.model_copy(update={"overlap": True})
    undisturbed, _, _ = told(config, save=lambda state: states.append(copy.deepcopy(state)), save_seconds=0.0)
    assert [state["step"] for state in states] == list(range(1, 31))
    resumed, _ = trained(config, resume=states[interrupted_at - 1])
    assert same(undisturbed, resumed)
    assert same(undisturbed, trained(CONFIG)[0])


def test_a_late_loss_that_is_not_finite_names_its_own_step_and_is_never_saved() -> None:
    sentences, saved = [], list[Any]()
    for overlap in (False, True):
        config = TrainingConfig(steps=50, batch=4, learning_rate=0.01, overlap=overlap)
        hooks = Hooks(save=lambda state: saved.append(copy.deepcopy(state["network"])), save_seconds=0.0)
        trainer = Trainer(WithoutBatchNorm(), data(float("nan")), config, 0, accelerator_for("cpu"), hooks)
        with pytest.raises(AsdzooError, match="not finite at step") as caught:
            trainer.run()
        sentences.append(str(caught.value))
    assert sentences[0] == sentences[1]
    assert all(value.isfinite().all() for state in saved for value in state.values())


@pytest.mark.parametrize(
    ("device", "sentence"), [("cuda", "no CUDA device"), ("mps", "no MPS device"), ("gpu", "unknown device 'gpu'")]
)
def test_a_device_that_is_not_there_is_an_error(device: str, sentence: str) -> None:
    if device == "cuda" and torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    with pytest.raises(AsdzooError, match=sentence):
        accelerator_for(device)


def test_nothing_to_train_on_is_an_error() -> None:
    empty = TrainingData(data().fetch, np.empty(0, np.int64), [])
    with pytest.raises(AsdzooError, match="no clip to train on"):
        Trainer(Linear(), empty, CONFIG, 0, accelerator_for("cpu"))


@given(st.integers(1, 40), st.integers(0, 200), st.integers(1, 60), st.integers(0, 5))
@settings(deadline=None, max_examples=60)
def test_the_order_is_one_sequence_however_it_is_cut(n: int, start: int, count: int, seed: int) -> None:
    order = Order(np.arange(n), seed)
    whole = order.take(0, start + count)
    assert np.array_equal(order.take(start, count), whole[start:])
    for epoch in range((start + count) // n):
        assert sorted(whole[epoch * n : (epoch + 1) * n]) == list(range(n))


@given(st.lists(st.integers(0, 4), min_size=1, max_size=80), st.floats(0, 0.9), st.integers(0, 9))
@settings(deadline=None, max_examples=60)
def test_the_holdout_takes_its_share_of_each_class_and_never_all(labels: list[int], share: float, seed: int) -> None:
    kept, held = split_holdout(np.array(labels), share, seed)
    assert sorted([*kept, *held]) == list(range(len(labels)))
    for label in set(labels):
        assert sum(labels[i] == label for i in held) == int(share * labels.count(label))


def test_cosine_restarts_follow_the_formula() -> None:
    rates = [learning_rate("cosine_restarts", step, 5e-3, 1e-5, 10, 1000) for step in range(2100)]
    assert rates[0] == pytest.approx(5e-4)
    assert rates[10] == rates[1010] == rates[2010] == 5e-3
    assert rates[510] == pytest.approx((5e-3 + 1e-5) / 2)
    assert min(rates[10:]) >= 1e-5
