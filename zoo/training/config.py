"""How a network is trained: the block `training` of a system, and the only place of its defaults."""

from typing import Literal

import torch
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from zoo.config import Frozen
from zoo.training.compilation import Compile
from zoo.training.schedules import Schedule


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
    # of the frozen matrices of encoders while training is in bf16; bf16: half their memory, and fewer casts and products
    frozen_precision: Literal["fp32", "bf16"] = "fp32"  # not measured on a GPU yet  # open
    compile: Compile = "auto"  # true: torch.compile the losses; layers: each layer of an encoder; auto: layers, on CUDA
    # samples go to the device as they are stored and losses are read a step late: the same numbers, and a device that never
    # waits for the host; auto: on CUDA
    overlap: Literal["auto"] | bool = "auto"

    def overlaps(self, device: torch.device) -> bool:
        """What `overlap` means there."""
        return device.type == "cuda" if self.overlap == "auto" else self.overlap

    @property
    def goes_on(self) -> bool:
        """Whether the steps of a shorter training are the first ones of a longer: no schedule is fitted to their number."""
        return self.schedule == "constant"
