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

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from zoo.data.store import in_floats
from zoo.errors import AsdzooError, listed
from zoo.networks import Network
from zoo.training.averaging import BestCheckpoints, reestimate_batch_norm
from zoo.training.compilation import made_fast
from zoo.training.config import TrainingConfig as TrainingConfig
from zoo.training.data import Batch, TrainingData
from zoo.training.ending import after_the_step
from zoo.training.feeding import Feed
from zoo.training.frozen import frozen_in
from zoo.training.hooks import Hooks as Hooks
from zoo.training.hooks import State as State
from zoo.training.hooks import StepTaken as StepTaken
from zoo.training.sampling import Indices, Order, crop_generator, seed_draws, step_seed
from zoo.training.schedules import learning_rate
from zoo.training.step_losses import NotFiniteError, StepLosses

VERSION = 2  # raised when the same config and data would train to something else


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
        self.optimizer = optimizer if accelerator.device.type in ("cpu", "cuda") else accelerator.prepare(optimizer)
        self.clips_per_step = config.batch * config.accumulation
        epochs = math.inf if config.epochs is None else math.ceil(config.epochs * len(members) / self.clips_per_step)
        self.steps = int(min(config.steps, epochs))
        micro = self.clips_per_step if config.merge and accelerator.device.type != "cpu" else config.batch
        self.feed = Feed(
            data, self.order, seed, accelerator.device, steps=self.steps, per_step=self.clips_per_step, micro=micro
        )
        self.losses = made_fast(data.losses_of(network), network, config.compile, accelerator.device, self.hooks.note)
        self.step = 0
        self.overlaps = config.overlaps(accelerator.device)
        self.unread: list[StepLosses] = []  # of the steps that the device may still be working on
        self.mark = 0.0  # when the last losses were read, or the coming step began
        self.best = BestCheckpoints(config.average)
        self.history: list[dict[str, float]] = []
        self.start: float | None = None  # held-out loss before the first step
        self.stopped = False  # its time was over before its steps were done
        bf16 = accelerator.device.type == "cuda" and torch.cuda.is_bf16_supported()
        self.half = config.precision == "bf16" or (config.precision == "auto" and bf16)

    def run(self, resume: State | None = None) -> None:
        """Train to the end, or until `hooks.seconds` are over, leaving the network with its final weights, in evaluation mode.

        Raises: AsdzooError when a loss is NaN or infinite, naming step, learning rate and clips (a training with patience and
        a best checkpoint ends there instead); CheckpointError when `resume` is no state of this training: the network is no
        longer what it was.
        """
        with frozen_in(self.config.frozen_precision, self.network, self.half, self.hooks.note):
            self._run(resume)

    def _run(self, resume: State | None) -> None:
        if resume is not None:
            self._restore(resume)
        elif len(self.held_out):
            self.start = self._held_out_loss()
        begun = saved = time.monotonic()
        try:
            with after_the_step() as ending:
                while self.step < self.steps and not self.stopped and not self._out_of_patience():
                    self.mark = self.mark if self.unread else time.monotonic()
                    self.unread.append(self._step())
                    self.step += 1
                    self.stopped = self.step < self.steps and time.monotonic() - begun >= self.hooks.seconds
                    due = self.stopped or self.step % self.config.validate_every == 0 or self.step == self.steps
                    self._read(all_but=1 if self.overlaps and not due else 0)
                    if ending.asked or time.monotonic() - saved >= self.hooks.save_seconds:
                        self._read()
                        self.hooks.save(self.state())
                        saved = time.monotonic()
                        ending.go()
        except NotFiniteError as problem:
            if self.config.patience is None or not self.best:
                raise
            self.hooks.note(f"{problem.message}; training stops there, and the best held-out weights are kept")
        finally:
            self.feed.drop()
        self.stopped = self.stopped and not self._out_of_patience()
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

    def _step(self) -> StepLosses:
        """One optimizer step. Out of memory: once more with half the micro-batch. No compiler that works: without one."""
        while True:
            try:
                return self._try_step()
            except torch.OutOfMemoryError:
                if self.feed.micro == 1:
                    raise AsdzooError(
                        "one clip alone does not fit into the memory of the device",
                        "use --device cpu, or a smaller input.seconds",
                    ) from None
                self._begin_again()
                self.feed.micro = math.ceil(self.feed.micro / 2)
                torch.cuda.empty_cache()  # nothing on a CPU
                self.hooks.note(f"out of memory: going on with {self.feed.micro} clips at a time, more accumulation")
            except Exception as problem:  # whatever a compiler raises; everything else goes on up
                if not self.losses.give_up(problem):
                    raise
                self._begin_again()

    def _begin_again(self) -> None:
        self.feed.drop()
        self.optimizer.zero_grad(set_to_none=True)

    def _try_step(self) -> StepLosses:
        self.network.train()
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate(self.step)
        seed_draws(step_seed(self.seed, self.step), self.accelerator.device)
        sums: dict[str, Tensor] = {}
        for batch, share in self.feed.batches(self.step):
            losses = self._losses(batch)
            self.accelerator.backward(torch.stack(list(losses.values())).sum() * share)
            for name, loss in losses.items():
                sums[name] = sums.get(name, torch.zeros((), device=loss.device)) + loss.detach().float() * share
        taken = StepLosses(self.step, sums)
        if not self.overlaps:
            self._require_finite(taken)  # before the weights are touched
        if self.config.clip_norm is not None:
            self.accelerator.clip_grad_norm_(self.parameters, self.config.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return taken

    def _read(self, all_but: int = 0) -> None:
        """Look at the losses of the steps taken, validate where one is due, and tell the caller; the last `all_but` wait."""
        while len(self.unread) > all_but:
            taken = self.unread.pop(0)
            self._require_finite(taken)
            now = time.monotonic()
            speed = self.clips_per_step / self.data.vectors_per_clip / max(now - self.mark, 1e-9)
            losses, number, self.mark = taken.read(), taken.step + 1, now
            self._look_back(number, losses, speed)
            self.hooks.stepped(StepTaken(number, self.steps, sum(losses.values()), self._rate(taken.step), speed))

    def _look_back(self, number: int, losses: dict[str, float], speed: float) -> None:
        """Validate every so many steps and at the end, whose state is handed on as a longer training would have it."""
        if due := number % self.config.validate_every == 0:
            self._validate(losses, speed)
        if number == self.steps or (self.stopped and number == self.step):
            self.hooks.ended(self.state(), self.stopped)
            if not due:  # a longer training does not look here
                self._validate(losses, speed)

    def _losses(self, batch: Batch) -> dict[str, Tensor]:
        device = self.accelerator.device
        waves, labels, lengths = (values.to(device, non_blocking=True) for values in batch)
        # accelerate's own precision is one for the whole process; here each system has its own
        with torch.autocast(device.type, torch.bfloat16, enabled=self.half):
            return self.losses(in_floats(waves), labels, lengths)

    def _require_finite(self, taken: StepLosses) -> None:
        if not taken.bad:
            return
        clips = listed(self.data.names_of(np.concatenate(self.feed.parts(taken.step))), 4)
        bad = ", ".join(f"{name} = {value}" for name, value in taken.bad.items())
        raise NotFiniteError(
            f"the loss is not finite at step {taken.step} (learning rate {self._rate(taken.step):.3g}): {bad}; clips {clips}",
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
            total += float(torch.stack(list(self._looked_at(indices, None).values())).sum()) * len(indices)
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
            self._looked_at(self.order.take(start, batch), generator)

    def _looked_at(self, indices: Indices, generator: np.random.Generator | None) -> dict[str, Tensor]:
        """The losses of clips that nothing is learnt from."""
        batch = self.feed.fetched(indices, generator)
        try:
            return self._losses(batch)
        except Exception as problem:  # as above
            if not self.losses.give_up(problem):
                raise
        return self._losses(batch)
