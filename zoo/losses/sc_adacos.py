"""Sub-cluster AdaCos: several centres a class, no margin, and a scale that follows from the number of classes.

Sources: Wilkinghoff, Sub-cluster AdaCos, IJCNN 2021; the public code of the same author's ICASSP 2023 system, called [C] below.

Left open by the sources, or different between them:
- A mixed clip's true angle is, in [C], the sum over all centres of label times angle, times the number of its classes; `angle:
  code` does that. With 16 clusters it is far beyond pi / 4, where the formula cuts it off, so the dynamic scale is then
  log B / cos(pi / 4) whatever the embeddings do. `angle: nearest` takes the nearest centre of the true classes instead.
- The scale may grow without end ([C]'s author says so): `cap` bounds it.
"""

import math
from typing import Literal

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn

from zoo.autocast import without_autocast
from zoo.losses import Loss, LossConfig, soft
from zoo.losses.arcface import unit


class Config(LossConfig):
    """Of the IJCNN paper and [C]; see the systems' YAMLs for what each takes."""

    name: Literal["sc_adacos"] = "sc_adacos"
    clusters: PositiveInt = 16  # centres of each class
    dynamic: bool = True  # False: the scale stays where it starts
    trainable: bool = False  # whether centres are learned
    angle: Literal["code", "nearest"] = "code"
    cap: PositiveFloat = 100.0  # the largest scale; open


class SubClusterAdaCos(Loss):
    """Cross-entropy of softmax(s cos) summed over each class's centres, mean over the batch.

    The scale starts at sqrt(2) log(clusters x classes - 1). If it is dynamic, each training step sets it, without gradient, to
    log B / cos(min(pi / 4, median angle of the true classes)); B is the batch mean of the sum of exp(s cos) over all centres.

    Shape: embeddings (batch, dim), labels int64 (batch,) or shares (batch, classes) -> scalar.
    """

    def __init__(self, dim: int, classes: int, config: Config) -> None:
        super().__init__()
        self.config = config
        self.classes = classes
        centers = nn.init.xavier_uniform_(torch.empty(dim, classes * config.clusters)).T.contiguous()
        self.centers = nn.Parameter(centers, requires_grad=config.trainable)
        start = math.sqrt(2) * math.log(max(2, classes * config.clusters - 1))
        self.register_buffer("scale", torch.tensor(min(start, config.cap)))
        self.scale: Tensor

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        with without_autocast(embeddings):
            cosines = unit(embeddings.float()) @ unit(self.centers.float()).T
            shares = soft(labels, self.classes)
            if self.training and self.config.dynamic and torch.is_grad_enabled():
                self._follow(cosines.detach(), shares)
            logits = (self.scale * cosines).view(-1, self.classes, self.config.clusters)
            log_probability = torch.log_softmax(logits.flatten(1), dim=1).view_as(logits).logsumexp(dim=2)
            return -(shares * log_probability).sum(1).mean()

    @torch.no_grad()
    def _follow(self, cosines: Tensor, shares: Tensor) -> None:
        angles = cosines.clamp(-1 + 1e-7, 1 - 1e-7).acos().view(-1, self.classes, self.config.clusters)
        if self.config.angle == "code":
            own = (shares * angles.sum(2)).sum(1) * (shares > 0).sum(1)
        else:
            own = (shares * angles.amin(2)).sum(1) / shares.sum(1)
        total = torch.logsumexp((self.scale * cosines).flatten(), dim=0) - math.log(len(cosines))
        median = torch.quantile(own, 0.5)
        self.scale.copy_((total / torch.cos(median.clamp_max(math.pi / 4))).clamp(1.0, self.config.cap))

    def extra_repr(self) -> str:
        return f"classes={self.classes}, {self.config!r}"


def build(config: Config, dim: int, classes: int) -> SubClusterAdaCos:
    """Sub-cluster AdaCos with random centres."""
    return SubClusterAdaCos(dim, classes, config)
