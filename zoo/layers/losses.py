"""ArcFace, the loss of every discriminative system.

An embedding is pulled towards the centre of its own class on the unit sphere, and has to be closer to it by an angular margin
than a plain softmax asks for. The margin goes on the true class only: the same margin on all classes would be none at all.
"""

import math

import torch
from pydantic import PositiveFloat, PositiveInt, confloat
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.config import Frozen


class ArcFaceConfig(Frozen):
    """Open in the sources: 30 and 0.5 are common, later work of the team of [T24] takes 30 and 0.2."""

    scale: PositiveFloat = 30.0  # s, the inverse temperature
    margin: confloat(ge=0, lt=math.pi / 2) = 0.2  # type: ignore[valid-type]  # m, radians
    centers: PositiveInt = 1  # per class; an embedding counts with its nearest one (sub-centre ArcFace)
    trainable: bool = True  # False: the centres stay at their random directions, which rules out a trivial solution [W23]


class ArcFace(nn.Module):
    """Additive angular margin loss, mean over the batch.

    With `theta` the angle between an embedding and its class centre, the logit of the true class is `s cos(theta + m)`, all
    others are `s cos(theta_j)`. Beyond `theta = pi - m` the cosine would rise again; there the usual `cos(theta) - m sin(m)`
    takes its place, so that the loss never stops growing with the angle (it jumps up once, at that angle).

    Shape: embeddings (batch, dim), labels int64 (batch,) -> scalar, always float32, inside autocast as well.
    Source: Deng et al., ArcFace, CVPR 2019, eq. 3; sub-centres: Deng et al., ECCV 2020.
    """

    def __init__(self, dim: int, classes: int, config: ArcFaceConfig) -> None:
        super().__init__()
        self.config = config
        self.classes = classes
        centers = torch.randn(classes * config.centers, dim) / math.sqrt(dim)
        # A parameter even when it is not trained: it is counted as one and goes into checkpoints.
        self.centers = nn.Parameter(centers, requires_grad=config.trainable)

    def cosines(self, embeddings: Tensor) -> Tensor:
        """Cosine of the angle to the nearest centre of each class, float32 (batch, classes)."""
        with torch.autocast(embeddings.device.type, enabled=False):
            return self._nearest(unit(embeddings.float()), unit(self.centers.float()))[0]

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        with torch.autocast(embeddings.device.type, enabled=False):
            margin = self.config.margin
            embeddings, centers = unit(embeddings.float()), unit(self.centers.float())
            cosines, nearest = self._nearest(embeddings, centers)
            own = labels[:, None]
            cos = cosines.gather(1, own)
            center = centers[labels * self.config.centers + nearest.gather(1, own)[:, 0]]
            # The length of what is orthogonal to the centre, not sqrt(1 - cos^2): its gradient stays finite at cos = +-1.
            sin = torch.linalg.vector_norm(embeddings - cos * center, dim=1, keepdim=True)
            # A zero embedding is at a right angle to every centre: without its margin it would be the cheapest one of all.
            sin = torch.where(embeddings.any(1, keepdim=True), sin, 1.0)
            shifted = cos * math.cos(margin) - sin * math.sin(margin)
            true = torch.where(cos > -math.cos(margin), shifted, cos - margin * math.sin(margin))
            return F.cross_entropy(self.config.scale * cosines.scatter(1, own, true), labels)

    def _nearest(self, embeddings: Tensor, centers: Tensor) -> tuple[Tensor, Tensor]:
        by_center = (embeddings @ centers.T).view(-1, self.classes, self.config.centers)
        cosines, nearest = by_center.max(dim=2)
        return cosines, nearest

    def extra_repr(self) -> str:
        return f"classes={self.classes}, {self.config!r}"


def unit(vectors: Tensor) -> Tensor:
    """Rows scaled to length 1, (n, dim) -> (n, dim); rows shorter than 1e-12 become zero and get no gradient, NaN stays NaN."""
    norm = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
    return torch.where(norm <= 1e-12, 0.0, vectors / norm.clamp_min(1e-12))
