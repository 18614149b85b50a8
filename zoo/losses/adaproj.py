"""AdaProj: an embedding is pulled towards a sub-space of its class, anywhere in it, instead of towards a centre.

Source: Wilkinghoff, AdaProj, DCASE Workshop 2024 (arXiv 2403.14179), by its abstract and a public code that bears the
author's name (ASDKit): the logit is the cosine of the angle between the embedding and its projection; the scale is that
of AdaCos, with one term for each class; a sub-space has 32 dimensions, is drawn at random, and stays where it is.

That code projects by 32 random unit vectors, which are nearly at right angles in many dimensions, and not quite; here they are
orthonormal, so that it is the projection in any.
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
    """Of which loss, and how."""

    name: Literal["adaproj"] = "adaproj"
    dimensions: PositiveInt = 32  # of each class's sub-space; at most half of the embedding's
    dynamic: bool = True  # False: the scale stays where it starts
    trainable: bool = False  # whether sub-spaces are learned
    cap: PositiveFloat = 100.0  # the largest scale


class AdaProj(Loss):
    """Cross-entropy of softmax(s cos), mean over the batch.

    The scale starts at sqrt(2) log(classes - 1). If it is dynamic, each training step sets it to log B / cos(min(pi / 4, median
    angle to the own sub-space)); B is the batch mean of the sum of exp(s cos) over all classes, the own class counting 1.

    Shape: embeddings (batch, dim), labels int64 (batch,) or shares (batch, classes) -> scalar.
    """

    def __init__(self, dim: int, classes: int, config: Config) -> None:
        super().__init__()
        self.config = config
        self.classes = classes
        dimensions = max(1, min(config.dimensions, dim // 2))
        bases = torch.linalg.qr(torch.randn(classes, dim, dimensions)).Q
        self.centers = nn.Parameter(bases.contiguous(), requires_grad=config.trainable)  # (classes, dim, dimensions)
        start = math.sqrt(2) * math.log(max(2, classes - 1))
        self.register_buffer("scale", torch.tensor(min(start, config.cap)))
        self.scale: Tensor

    def cosines(self, embeddings: Tensor) -> Tensor:
        """Cosine of the angle to each class's sub-space, at least 0, float32 (batch, classes)."""
        bases = torch.linalg.qr(self.centers.float()).Q if self.config.trainable else self.centers.float()
        projected = torch.einsum("nd,cdk->nck", unit(embeddings.float()), bases)
        cosines: Tensor = torch.linalg.vector_norm(projected, dim=2)
        return cosines

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        with without_autocast(embeddings):
            cosines = self.cosines(embeddings)
            shares = soft(labels, self.classes)
            if self.training and self.config.dynamic and torch.is_grad_enabled():
                self._follow(cosines.detach(), shares)
            return -(shares * torch.log_softmax(self.scale * cosines, dim=1)).sum(1).mean()

    @torch.no_grad()
    def _follow(self, cosines: Tensor, shares: Tensor) -> None:
        own = (shares * cosines.clamp(0, 1 - 1e-7).acos()).sum(1) / shares.sum(1)
        total = torch.logsumexp(torch.where(shares < 1, self.scale * cosines, 0.0).flatten(), dim=0) - math.log(len(cosines))
        median = torch.quantile(own, 0.5)
        self.scale.copy_((total / torch.cos(median.clamp_max(math.pi / 4))).clamp(1.0, self.config.cap))

    def extra_repr(self) -> str:
        return f"classes={self.classes}, {self.config!r}"


def build(config: Config, dim: int, classes: int) -> AdaProj:
    """AdaProj with random sub-spaces."""
    return AdaProj(dim, classes, config)
