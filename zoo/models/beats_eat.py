"""BEATs and EAT side by side: one embedding from both, and a loss on each branch and on the whole.

Source: [T24 2.5]. The report back-propagates the branch losses first and then that of the whole; one backward pass of their sum
gives the same gradients. Open there: the weight of the branch losses, and how embeddings of different size are joined. Here
each is scaled to length 1 first, so that the cosine of two clips is the mean of their branches' cosines.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from pydantic import NonNegativeFloat
from torch import Tensor

from zoo import losses
from zoo.config import Frozen
from zoo.errors import AsdzooError
from zoo.losses import LossBlock, arcface
from zoo.losses.arcface import unit
from zoo.metadata import Words
from zoo.models import pretrained
from zoo.models._tuned import PretrainedNetwork
from zoo.networks import InputShape

METADATA = Words()  # its encoders have the words


class BEATsBranch(pretrained.Config):
    """The first branch."""

    encoder: Literal["beats"] = "beats"
    embedding: None = None  # detectors are given both branches as the losses see them
    segments: None = None
    loss: LossBlock = arcface.Config()


class EATBranch(pretrained.Config):
    """The second branch."""

    encoder: Literal["eat"] = "eat"
    embedding: None = None
    segments: None = None
    loss: LossBlock = arcface.Config()


class Config(Frozen):
    """The system's model."""

    beats: BEATsBranch = BEATsBranch()
    eat: EATBranch = EATBranch(pooling="class_token")
    branch_weight: NonNegativeFloat = 1.0  # of each branch's loss beside the whole's; open
    loss: LossBlock = arcface.Config()  # of the whole


def build(config: Config, shape: InputShape, classes: int) -> "BEATsEAT":
    """Both branches and a head on the whole. Raises: AsdzooError when weights are missing or do not fit."""
    return BEATsEAT(config, shape, classes)


class BEATsEAT(PretrainedNetwork):
    """Two encoders; `forward` gives (batch, dim of BEATs + dim of EAT)."""

    def __init__(self, config: Config, shape: InputShape, classes: int) -> None:
        super().__init__()
        with _hints_of("beats"):
            self.beats = pretrained.Pretrained(config.beats, shape, classes)
        with _hints_of("eat"):
            self.eat = pretrained.Pretrained(config.eat, shape, classes)
        self.untrained = self.beats.untrained or self.eat.untrained
        self.branch_weight = config.branch_weight
        self.dim = self.beats.dim + self.eat.dim
        self.head = losses.build(config.loss, self.dim, classes)

    def forward(self, waves: Tensor, lengths: Tensor | None = None) -> Tensor:
        return _joined(self.beats(waves, lengths), self.eat(waves, lengths))

    def losses(self, waves: Tensor, labels: Tensor, lengths: Tensor | None = None) -> dict[str, Tensor]:
        first, second = self.beats(waves, lengths), self.eat(waves, lengths)
        return {
            "beats": self.branch_weight * self.beats.loss_of(first, labels),
            "eat": self.branch_weight * self.eat.loss_of(second, labels),
            "whole": self.head(_joined(first, second), labels),
        }


@contextmanager
def _hints_of(branch: str) -> Iterator[None]:
    """Hints name keys of a system with one encoder; here they stand one block deeper."""
    try:
        yield
    except AsdzooError as problem:
        raise AsdzooError(problem.message, problem.hint.replace("model.", f"model.{branch}.")) from problem


def _joined(first: Tensor, second: Tensor) -> Tensor:
    return torch.cat([unit(first), unit(second)], dim=1)
