"""One training loop for every network of the zoo; no argument parsing, no paths.

Whatever is random in step s comes from generators seeded with (seed, s), and the clips of a batch from a permutation seeded
with (seed, epoch). A run that is killed and goes on from its last checkpoint therefore walks the same steps as an undisturbed
one, and ends with the same bits.

A *step* is one optimizer step: `batch` x `accumulation` clips. Several losses are back-propagated as their sum, which gives the
same gradients as one backward pass for each ("multi-backpropagation", THUEE report for DCASE 2024 Task 2, section 2.2) in the
time of one.
"""

import math
import time
from collections.abc import Generator
from typing import Literal

import numpy as np
import torch
from accelerate import Accelerator
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from zoo.config import Frozen
from zoo.errors import AsdzooError, listed
from zoo.networks import FrameNetwork, Network, PreparedNetwork
from zoo.training.averaging import BestCheckpoints, reestimate_batch_norm
from zoo.training.compilation import Compile, Losses, made_fast
from zoo.training.data import Batch, TrainingData
from zoo.training.ending import after_the_step
from zoo.training.hooks import Hooks as Hooks
from zoo.training.hooks import State as State
from zoo.training.hooks import StepTaken as StepTaken
from zoo.training.prefetch import one_ahead
from zoo.training.sampling import Indices, Order, crop_generator, seed_draws, step_seed
from zoo.training.schedules import Schedule, learning_rate

VERSION = 2  # raised when the same config and data would train to something else


class TrainingConfig(Frozen):
    """How a network is trained."""

    optimizer: Literal["adam", "adamw"] = "adamw"
    learning_rate: PositiveFloat = 1e-3  # the schedule's maximum
    betas: tuple[NonNegativeFloat, NonNegativeFloat] = (0.9, 0.999)
    weight_decay: NonNegativeFloat = 0.0
    schedule: Schedule = "constant"
    warm_up: NonNegativeInt = 0  # optimizer steps
    cycle: PositiveInt = 1000  # optimizer steps between warm restarts
    minimum_rate: NonNegativeFloat = 0.0
    steps: NonNegativeInt = 1000  # optimizer steps, at most
    epochs: PositiveFloat | None = None  # passes over the clips, at most; null: as many as the steps are
    batch: PositiveInt = 64  # clips of one forward pass
    accumulation: PositiveInt = 1  # forward passes of one optimizer step
    merge: bool = False  # one forward pass per step where memory allows: same gradients, unless the network has batch norm
    clip_norm: PositiveFloat | None = None  # of the whole gradient
    holdout: NonNegativeFloat = 0.0  # share of each class's clips kept back to choose checkpoints by
    validate_every: PositiveInt = 100  # optimizer steps
    patience: PositiveInt | None = None  # validations without improvement before training stops
    average: PositiveInt = 1  # so many best checkpoints are averaged; 1: the best one is taken
    precision: Literal["auto", "fp32", "bf16"] = "auto"  # auto: bf16 autocast on GPUs that have it
    compile: Compile = "auto"  # true: torch.compile the losses; layers: each layer of an encoder; auto: layers, on CUDA


class CheckpointError(AsdzooError):
    """The state is not one of this training."""


class Trainer:
    """Trains one network; `run` may be given the state of an earlier, interrupted `run`."""

    def __init__(
        self,
        network: Network,
        data: TrainingData,
        config: TrainingConfig,
        seed: int,
        accelerator: Accelerator,
        hooks: Hooks | None = None,
    ) -> None:
        self.network = network.to(accelerator.device)
        self.data, self.config, self.seed, self.accelerator = data, config, seed, accelerator
        self.hooks = hooks or Hooks()
        members, self.held_out = data.split(config.holdout, seed)
        if not len(members):
            raise AsdzooError("there is no clip to train on", "`asdzoo scan DATA` shows what was found")
        self.order = Order(members, seed)
        self.parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
        optimizer = kind(
            self.parameters,
            lr=config.learning_rate,
            betas=config.betas,
            weight_decay=config.weight_decay,
            fused=True if data.clips is not None else None,  # a step of vectors is short: else Adam is a fifth of it
        )
        # A prepared optimizer looks for installed packages in every step, which takes a millisecond.
        plain = accelerator.device.type in ("cpu", "cuda")
        self.optimizer = optimizer if plain else accelerator.prepare(optimizer)
        self.clips_per_step = config.batch * config.accumulation
        epochs = math.inf if config.epochs is None else math.ceil(config.epochs * len(members) / self.clips_per_step)
        self.steps = int(min(config.steps, epochs))
        self.micro = self.clips_per_step if config.merge and accelerator.device.type != "cpu" else config.batch
        losses = _losses_of_prepared(network) if data.prepared else network.losses
        self.losses = made_fast(losses, network, config.compile, accelerator.device, self.hooks.note)
        self.step = 0
        self.batches: Generator[Batch] | None = None  # the micro-batches from the coming step on
        self.best = BestCheckpoints(config.average)
        self.history: list[dict[str, float]] = []
        self.start: float | None = None  # held-out loss before the first step
        bf16 = accelerator.device.type == "cuda" and torch.cuda.is_bf16_supported()
        self.half = config.precision == "bf16" or (config.precision == "auto" and bf16)

    def run(self, resume: State | None = None) -> None:
        """Train to the end and leave the network with its final weights, in evaluation mode.

        Raises: AsdzooError when a loss is NaN or infinite, naming step, learning rate and clips; CheckpointError when
        `resume` is no state of this training: the network is no longer what it was.
        """
        if resume is not None:
            self._restore(resume)
        elif len(self.held_out):
            self.start = self._held_out_loss()
        saved = time.monotonic()
        try:
            with after_the_step() as ending:
                while self.step < self.steps and not self._out_of_patience():
                    started = time.monotonic()
                    losses = self._step()
                    speed = self.clips_per_step / self.data.vectors_per_clip / max(time.monotonic() - started, 1e-9)
                    self.step += 1
                    if self.step % self.config.validate_every == 0 or self.step == self.steps:
                        self._validate(losses, speed)
                    total, rate = sum(losses.values()), self._rate(self.step - 1)
                    self.hooks.stepped(StepTaken(self.step, self.steps, total, rate, speed))
                    if ending.asked or time.monotonic() - saved >= self.hooks.save_seconds:
                        self.hooks.save(self.state())
                        saved = time.monotonic()
                        ending.go()
        finally:
            self._drop_batches()
        self._finish()
        self.hooks.done(self.step)

    def state(self) -> State:
        """All that a later `run` needs to go on as if nothing had happened; tensors and plain values only."""
        return {
            "step": self.step,
            "network": self.network.trained_state(),
            "optimizer": self.optimizer.state_dict(),
            "best": self.best.state(),
            "history": self.history,
            "start": self.start,
        }

    @property
    def learnt_nothing(self) -> bool:
        """Whether no validation was better than the network was before its first step."""
        losses = [row["held_out"] for row in self.history if "held_out" in row]
        return self.start is not None and bool(losses) and not min(losses) < self.start

    def _restore(self, state: State) -> None:
        try:
            self.step = state["step"]
            self.network.load_trained_state(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.best.restore(state["best"])
            self.history = list(state["history"])
            self.start = state.get("start")
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, RuntimeError) as problem:
            raise CheckpointError("the checkpoint is not one of this training", "delete it") from problem

    def _rate(self, step: int) -> float:
        it = self.config
        return learning_rate(it.schedule, step, it.learning_rate, it.minimum_rate, it.warm_up, it.cycle)

    def _step(self) -> dict[str, float]:
        """One optimizer step; the mean of each loss over its clips. Out of memory: once more with half the micro-batch."""
        while True:
            try:
                return self._try_step()
            except torch.OutOfMemoryError:
                if self.micro == 1:
                    raise AsdzooError(
                        "one clip alone does not fit into the memory of the device",
                        "use --device cpu, or a smaller input.seconds",
                    ) from None
                self.micro = math.ceil(self.micro / 2)
                self._drop_batches()
                self.optimizer.zero_grad(set_to_none=True)
                torch.cuda.empty_cache()  # nothing on a CPU
                self.hooks.note(f"out of memory: going on with {self.micro} clips at a time, more accumulation")

    def _try_step(self) -> dict[str, float]:
        self.network.train()
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate(self.step)
        seed_draws(step_seed(self.seed, self.step), self.accelerator.device)
        self.batches = self.batches or self._batches()
        sums: dict[str, Tensor] = {}
        for part in self._parts(self.step):
            losses = self._losses(next(self.batches))
            share = len(part) / self.clips_per_step
            self.accelerator.backward(torch.stack(list(losses.values())).sum() * share)
            for name, loss in losses.items():
                sums[name] = sums.get(name, torch.zeros((), device=loss.device)) + loss.detach().float() * share
        values = dict(zip(sums, torch.stack(list(sums.values())).tolist(), strict=True))  # the step's one wait for the device
        if not all(math.isfinite(value) for value in values.values()):
            self._refuse(values, np.concatenate(self._parts(self.step)))
        if self.config.clip_norm is not None:
            self.accelerator.clip_grad_norm_(self.parameters, self.config.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return values

    def _parts(self, step: int) -> list[Indices]:
        """The clips of each micro-batch of a step."""
        indices = self.order.take(step * self.clips_per_step, self.clips_per_step)
        return [indices[start : start + self.micro] for start in range(0, len(indices), self.micro)]

    def _batches(self) -> Generator[Batch]:
        """The micro-batches of this step and all to come, fetched while the device works on the one before."""

        def in_order() -> Generator[Batch]:
            for step in range(self.step, self.steps):
                generator = crop_generator(self.seed, step)
                for part in self._parts(step):
                    yield self._fetched(part, generator)

        return in_order() if self.data.prepared else one_ahead(in_order())

    def _drop_batches(self) -> None:
        if self.batches is not None:
            self.batches.close()  # at a place of our choosing: the garbage collector may run in the very thread it waits for
            self.batches = None

    def _fetched(self, indices: Indices, generator: np.random.Generator | None) -> Batch:
        batch = self.data.fetch(indices, generator)
        if self.accelerator.device.type == "cuda" and not batch[0].is_cuda:
            batch = (batch[0].pin_memory(), batch[1].pin_memory(), batch[2].pin_memory())  # else copies make the host wait
        return batch

    def _losses(self, batch: Batch) -> dict[str, Tensor]:
        device = self.accelerator.device
        waves, labels, lengths = (values.to(device, non_blocking=True) for values in batch)
        # accelerate's own precision is one for the whole process; here each system has its own
        with torch.autocast(device.type, torch.bfloat16, enabled=self.half):
            return self.losses(waves, labels, lengths)

    def _refuse(self, values: dict[str, float], indices: Indices) -> None:
        clips = listed(self.data.names_of(indices), 4)
        bad = ", ".join(f"{name} = {value}" for name, value in values.items() if not math.isfinite(value))
        raise AsdzooError(
            f"the loss is not finite at step {self.step} (learning rate {self._rate(self.step):.3g}): {bad}; clips {clips}",
            "lower it with --set training.learning_rate=..., or clip gradients with --set training.clip_norm=1",
        )

    def _validate(self, losses: dict[str, float], speed: float) -> None:
        row = {"step": float(self.step), "learning_rate": self._rate(self.step - 1), **losses, "clips_per_second": speed}
        if len(self.held_out):
            row["held_out"] = self._held_out_loss()
            self.best.offer(row["held_out"], self.step, self.network.trained_state)
        self.history.append(row)
        self.hooks.validated(self.history)

    @torch.no_grad()
    def _held_out_loss(self) -> float:
        self.network.eval()
        total = 0.0
        for start in range(0, len(self.held_out), self.config.batch):
            indices = self.held_out[start : start + self.config.batch]
            total += float(torch.stack(list(self._losses(self._fetched(indices, None)).values())).sum()) * len(indices)
        return total / len(self.held_out)

    def _out_of_patience(self) -> bool:
        patience, scores = self.config.patience, [row["held_out"] for row in self.history if "held_out" in row]
        return patience is not None and len(scores) > patience and min(scores[:-patience]) <= min(scores[-patience:])

    def _finish(self) -> None:
        """Take the best checkpoint, or the mean of the best; without held-out clips the last weights stay."""
        if self.best:
            self.network.load_trained_state(self.best.mean())
        if len(self.best) > 1:
            reestimate_batch_norm(self.network, self._one_epoch)
        self.network.eval()

    def _one_epoch(self) -> None:
        """Forward passes over as many batches as the clips fill."""
        seed_draws(step_seed(self.seed, self.step), self.accelerator.device)
        generator = crop_generator(self.seed, self.step)
        batch = self.config.batch
        for start in range(0, batch * max(1, len(self.order.members) // batch), batch):
            self._losses(self._fetched(self.order.take(start, batch), generator))


def _losses_of_prepared(network: Network) -> Losses:
    if not isinstance(network, PreparedNetwork | FrameNetwork):
        raise TypeError(f"{type(network).__name__} is no PreparedNetwork and no FrameNetwork")
    return lambda prepared, labels, lengths: network.losses_of(prepared, labels)
