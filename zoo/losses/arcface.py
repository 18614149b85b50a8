"""ArcFace, the loss of most discriminative systems.

An embedding is pulled towards the centre of its own class on the unit sphere, and has to be closer to it by an angular margin
than a plain softmax asks for. The margin goes on the true class only: the same margin on all classes would be none at all.
"""

import math
from typing import Literal

import torch
from pydantic import PositiveFloat, PositiveInt, confloat
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.autocast import without_autocast
from zoo.losses import Loss, LossConfig


class Config(LossConfig):
    """Open in the sources: 30 and 0.5 are common, later work of the team of [T24] takes 30 and 0.2."""

    name: Literal["arcface"] = "arcface"
    scale: PositiveFloat = 30.0  # s, the inverse temperature
    margin: confloat(ge=0, lt=math.pi / 2) = 0.2  # type: ignore[valid-type]  # m, radians
    centers: PositiveInt = 1  # per class; an embedding counts with its nearest one (sub-centre ArcFace)
    unlabelled_centers: PositiveInt | None = None  # of classes that are machines without attributes; null: as all others
    trainable: bool = True  # False: the centres stay at their random directions, which rules out a trivial solution [W23]


class ArcFace(Loss):
    """Additive angular margin loss, mean over the batch.

    With `theta` the angle between an embedding and its class centre, the logit of the true class is `s cos(theta + m)`, all
    others are `s cos(theta_j)`. Beyond `theta = pi - m` the cosine would rise again; there the usual `cos(theta) - m sin(m)`
    takes its place, so that the loss never stops growing with the angle (it jumps up once, at that angle). A clip mixed of
    several classes has the weighted sum of the losses that it would have with each of them as the true one.

    Shape: embeddings (batch, dim), labels int64 (batch,) or shares (batch, classes) -> scalar.
    Source: Deng et al., ArcFace, CVPR 2019, eq. 3; sub-centres: Deng et al., ECCV 2020; more of them for classes without
    labels: Zheng et al., DCASE 2025 Task 2.
    """

    def __init__(self, dim: int, classes: int, config: Config) -> None:
        super().__init__()
        self.config = config
        self.classes = classes
        self.most = max(config.centers, config.unlabelled_centers or 1)
        centers = torch.randn(classes * self.most, dim) / math.sqrt(dim)
        # A parameter even when it is not trained: it is counted as one and goes into checkpoints.
        self.centers = nn.Parameter(centers, requires_grad=config.trainable)
        self.register_buffer("absent", torch.zeros(classes, self.most, dtype=torch.bool), persistent=False)
        self.absent: Tensor  # centres that a class does not have
        self.absent[:, config.centers :] = True

    def unlabelled(self, classes: Tensor) -> None:
        counts = torch.where(classes, self.config.unlabelled_centers or self.config.centers, self.config.centers)
        self.absent = (torch.arange(self.most) >= counts[:, None]).to(self.absent.device)

    def cosines(self, embeddings: Tensor) -> Tensor:
        """Cosine of the angle to the nearest centre of each class, float32 (batch, classes)."""
        with without_autocast(embeddings):
            return self._nearest(unit(embeddings.float()), unit(self.centers.float()))[0]

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        with without_autocast(embeddings):
            embeddings, centers = unit(embeddings.float()), unit(self.centers.float())
            cosines, nearest = self._nearest(embeddings, centers)
            if not labels.dtype.is_floating_point:
                return self._with_margin(embeddings, centers, cosines, nearest, labels).mean()
            most = int((labels > 0).sum(1).max()) if len(labels) else 0
            shares, classes = labels.float().topk(most, dim=1)
            losses = [self._with_margin(embeddings, centers, cosines, nearest, own) for own in classes.unbind(1)]
            return (shares * torch.stack(losses, dim=1)).sum(1).mean()

    def _with_margin(self, embeddings: Tensor, centers: Tensor, cosines: Tensor, nearest: Tensor, labels: Tensor) -> Tensor:
        """The loss of each clip, (batch,), with the margin on its class."""
        margin, own = self.config.margin, labels[:, None]
        cos = cosines.gather(1, own)
        center = centers[labels * self.most + nearest.gather(1, own)[:, 0]]
        # The length of what is orthogonal to the centre, not sqrt(1 - cos^2): its gradient stays finite at cos = +-1.
        sin = torch.linalg.vector_norm(embeddings - cos * center, dim=1, keepdim=True)
        # A zero embedding is at a right angle to every centre: without its margin it would be the cheapest one of all.
        sin = torch.where(embeddings.any(1, keepdim=True), sin, 1.0)
        shifted = cos * math.cos(margin) - sin * math.sin(margin)
        true = torch.where(cos > -math.cos(margin), shifted, cos - margin * math.sin(margin))
        return F.cross_entropy(self.config.scale * cosines.scatter(1, own, true), labels, reduction="none")

    def _nearest(self, embeddings: Tensor, centers: Tensor) -> tuple[Tensor, Tensor]:
        by_center = (embeddings @ centers.T).view(-1, self.classes, self.most)
        cosines, nearest = by_center.masked_fill(self.absent, -2.0).max(dim=2)
        return cosines, nearest

    def extra_repr(self) -> str:
        return f"classes={self.classes}, {self.config!r}"


def build(config: Config, dim: int, classes: int) -> ArcFace:
    """ArcFace with random centres."""
    return ArcFace(dim, classes, config)


def unit(vectors: Tensor) -> Tensor:
    """Rows scaled to length 1, (n, dim) -> (n, dim); rows shorter than 1e-12 become zero and get no gradient, NaN stays NaN."""
    norm = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
    return torch.where(norm <= 1e-12, 0.0, vectors / norm.clamp_min(1e-12))
