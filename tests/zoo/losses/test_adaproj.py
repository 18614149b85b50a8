"""AdaProj against numpy: the cosine to a sub-space is the length of the projection onto it."""

import math

import numpy as np
import pytest
import torch

from zoo.losses import adaproj, soft
from zoo.losses.adaproj import AdaProj, Config


def built(dim: int = 8, classes: int = 4, **options: object) -> AdaProj:
    torch.manual_seed(0)
    return adaproj.build(Config.model_validate({"dimensions": 3, **options}), dim, classes)


def batch(count: int = 12, dim: int = 8, classes: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, dim, generator=generator), torch.randint(0, classes, (count,), generator=generator)


def cosines(loss: AdaProj, embeddings: torch.Tensor) -> np.ndarray:
    """By least squares: the nearest point of each sub-space."""
    found = []
    for x in embeddings.double().numpy():
        row = []
        for basis in loss.centers.detach().double().numpy():
            near = basis @ np.linalg.lstsq(basis, x, rcond=None)[0]
            row.append(near @ x / np.linalg.norm(near) / np.linalg.norm(x))
        found.append(row)
    return np.array(found)


@pytest.mark.parametrize("trainable", [False, True])
def test_it_equals_its_formula_in_numpy(trainable: bool) -> None:
    embeddings, labels = batch()
    loss = built(dynamic=False, trainable=trainable)
    if trainable:
        with torch.no_grad():
            loss.centers.mul_(3).add_(0.1)  # no longer orthonormal
    scale = math.sqrt(2) * math.log(3)
    exponentials = np.exp(scale * cosines(loss, embeddings))
    probabilities = exponentials / exponentials.sum(1, keepdims=True)
    wanted = -np.log(probabilities[np.arange(12), labels.numpy()]).mean()
    assert loss(embeddings, labels).item() == pytest.approx(wanted, rel=1e-5)
    mixed = 0.7 * soft(labels, 4) + 0.3 * soft(labels.flip(0), 4)
    assert loss(embeddings, mixed).item() == pytest.approx(-(mixed.numpy() * np.log(probabilities)).sum(1).mean(), rel=1e-5)


def test_anywhere_in_the_own_sub_space_is_as_good() -> None:
    loss = built(dynamic=False)
    inside = torch.randn(6, 3) @ loss.centers[2].T
    each = torch.stack([loss.cosines(point[None])[0] for point in inside])
    torch.testing.assert_close(each[:, 2], torch.ones(6))
    assert (each[:, [0, 1, 3]] < 1).all()


def test_the_scale_follows_its_formula_in_training_alone() -> None:
    embeddings, labels = batch()
    loss, start = built(cap=1000.0), math.sqrt(2) * math.log(3)
    near = cosines(loss, embeddings)
    median = np.median(np.arccos(near[np.arange(12), labels.numpy()]))
    exponentials = np.exp(start * near)
    exponentials[np.arange(12), labels.numpy()] = 1
    wanted = np.log(exponentials.sum(1).mean()) / np.cos(min(np.pi / 4, median))
    loss.eval()(embeddings, labels)
    assert loss.scale.item() == pytest.approx(start)
    loss.train()(embeddings, labels)
    assert loss.scale.item() == pytest.approx(wanted, rel=1e-5)
    capped = built(cap=1.5).train()
    capped(embeddings, labels)
    assert capped.scale.item() <= 1.5


def test_sub_spaces_are_learned_only_when_asked() -> None:
    assert not built().centers.requires_grad
    loss = built(trainable=True)
    loss(*batch()).backward()
    assert loss.centers.grad is not None
    assert loss.centers.grad.isfinite().all()
    assert built(dim=4, dimensions=32).centers.shape == (4, 4, 2)
