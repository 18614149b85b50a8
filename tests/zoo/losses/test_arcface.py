"""ArcFace against numpy, at its edges, and as laws."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch.nn import functional as F

from zoo.losses.arcface import ArcFace
from zoo.losses.arcface import Config as ArcFaceConfig


def arcface(dim: int = 8, classes: int = 5, **config: float) -> ArcFace:
    return ArcFace(dim, classes, ArcFaceConfig(**config))


def by_hand(embeddings: np.ndarray, centers: np.ndarray, labels: np.ndarray, scale: float, margin: float) -> float:
    """The loss from its definition, with arc cosines, in float64; `centers` is (classes, per class, dim)."""
    unit = embeddings / np.linalg.norm(embeddings, axis=-1, keepdims=True)
    cos = np.einsum("bd,ckd->bck", unit, centers / np.linalg.norm(centers, axis=-1, keepdims=True)).max(axis=2)
    rows = np.arange(len(labels))
    theta = np.arccos(np.clip(cos[rows, labels], -1, 1))
    true = np.where(theta < np.pi - margin, np.cos(theta + margin), np.cos(theta) - margin * np.sin(margin))
    logits = scale * cos
    logits[rows, labels] = scale * true
    return float(np.mean(np.log(np.exp(logits - logits.max(1, keepdims=True)).sum(1)) + logits.max(1) - logits[rows, labels]))


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**16),
    scale=st.floats(1, 64),
    margin=st.floats(0, 1.5),
    centers=st.integers(1, 3),
    batch=st.integers(1, 9),
)
def test_it_equals_numpy(seed: int, scale: float, margin: float, centers: int, batch: int) -> None:
    torch.manual_seed(seed)
    loss = arcface(scale=scale, margin=margin, centers=centers)
    embeddings, labels = torch.randn(batch, 8), torch.randint(0, 5, (batch,))
    expected = by_hand(
        embeddings.double().numpy(), loss.centers.detach().double().view(5, centers, 8).numpy(), labels.numpy(), scale, margin
    )
    assert loss(embeddings, labels).item() == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_without_margin_it_is_a_scaled_softmax_of_cosines() -> None:
    torch.manual_seed(0)
    loss = arcface(margin=0.0, scale=10.0)
    embeddings, labels = torch.randn(6, 8), torch.arange(6) % 5
    torch.testing.assert_close(loss(embeddings, labels), F.cross_entropy(10 * loss.cosines(embeddings), labels))


def test_the_margin_is_on_the_true_class_only() -> None:
    torch.manual_seed(1)
    embeddings, labels = torch.randn(1, 8), torch.tensor([2])
    plain, with_margin = arcface(margin=0.0), arcface(margin=0.4)
    with_margin.load_state_dict(plain.state_dict())
    cos = plain.cosines(embeddings)[0].detach().double()
    theta = math.acos(cos[2])
    rest = torch.cat([cos[:2], cos[3:]]).mul(30).logsumexp(0).item()
    expected = math.log1p(math.exp(rest - 30 * math.cos(theta + 0.4)))
    assert with_margin(embeddings, labels).item() == pytest.approx(expected, rel=1e-4)
    assert with_margin(embeddings, labels) > plain(embeddings, labels)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("margin", [0.0, 0.2, 0.5])
def test_on_and_opposite_the_centre_loss_and_gradients_are_finite(dtype: torch.dtype, sign: float, margin: float) -> None:
    torch.manual_seed(2)
    loss = arcface(margin=margin).to(dtype)
    embeddings = (sign * 3 * loss.centers.detach()).requires_grad_()
    value = loss(embeddings, torch.arange(5))
    value.backward()
    assert value.dtype == torch.float32
    assert value.isfinite()
    assert embeddings.grad is not None
    assert embeddings.grad.isfinite().all()
    assert embeddings.grad.abs().max() < 1e3
    assert loss.centers.grad is not None
    assert loss.centers.grad.isfinite().all()


def test_a_zero_embedding_gives_a_finite_loss_and_no_gradient() -> None:
    loss = arcface()
    embeddings = torch.zeros(2, 8, requires_grad=True)
    loss(embeddings, torch.tensor([0, 1])).backward()
    assert embeddings.grad is not None
    assert (embeddings.grad == 0).all()


@settings(deadline=None, max_examples=30)
@given(angles=st.tuples(st.floats(0, math.pi), st.floats(0, math.pi)), margin=st.floats(0, 1.5))
def test_the_loss_never_falls_as_the_angle_to_the_centre_grows(angles: tuple[float, float], margin: float) -> None:
    loss = arcface(dim=3, classes=2, margin=margin, scale=5.0)
    loss.centers.data = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])  # the angle to the second is always 90 degrees
    near, far = sorted(angles)
    values = [loss(torch.tensor([[math.cos(a), math.sin(a), 0.0]]), torch.tensor([0])).item() for a in (near, far)]
    assert values[0] <= values[1] + 1e-4


@pytest.mark.parametrize("margin", [0.2, 0.5, 1.5])
@pytest.mark.parametrize("beyond", [-0.3, 0.01, 0.5, 1.0])
def test_beyond_pi_less_the_margin_the_cosine_does_not_rise_again(margin: float, beyond: float) -> None:
    theta = math.pi - margin + beyond * margin  # beyond = 1: opposite the centre
    loss = arcface(dim=3, classes=2, margin=margin, scale=5.0)
    loss.centers.data = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    embedding = torch.tensor([[math.cos(theta), math.sin(theta), 0.0]])
    true = math.cos(theta) - margin * math.sin(margin) if beyond > 0 else math.cos(theta + margin)
    wanted = math.log(math.exp(5 * true) + 1) - 5 * true  # the other class is at a right angle
    assert loss(embedding, torch.tensor([0])).item() == pytest.approx(wanted, rel=1e-5)


def test_in_bf16_autocast_it_stays_in_float32() -> None:
    torch.manual_seed(3)
    loss, embeddings, labels = arcface(), torch.randn(4, 8), torch.arange(4)
    with torch.autocast("cpu", torch.bfloat16):
        inside = loss(embeddings, labels)
    assert inside.dtype == torch.float32
    assert inside == loss(embeddings, labels)


def test_fixed_centres_are_parameters_without_gradient() -> None:
    loss = arcface(trainable=False)
    embeddings = torch.randn(3, 8, requires_grad=True)
    loss(embeddings, torch.arange(3)).backward()
    assert sum(p.numel() for p in loss.parameters()) == 5 * 8
    assert loss.centers.grad is None
    assert embeddings.grad is not None


def test_gradient_descent_separates_two_classes() -> None:
    torch.manual_seed(4)
    loss = arcface(dim=2, classes=2, trainable=False)
    embeddings, labels = torch.randn(8, 2, requires_grad=True), torch.arange(8) % 2
    optimizer = torch.optim.Adam([embeddings], lr=0.1)
    for _ in range(150):
        optimizer.zero_grad()
        loss(embeddings, labels).backward()
        optimizer.step()
    assert (loss.cosines(embeddings).argmax(1) == labels).all()


@pytest.mark.parametrize("wrong", [{"scale": 0}, {"margin": -0.1}, {"margin": 1.6}, {"centers": 0}, {"m": 0.5}])
def test_a_config_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        ArcFaceConfig(**wrong)


def test_a_zero_embedding_is_at_a_right_angle_and_pays_its_margin() -> None:
    loss = ArcFace(4, 3, ArcFaceConfig(scale=30.0, margin=0.2))(torch.zeros(1, 4), torch.tensor([1]))
    assert loss.item() == pytest.approx(math.log(1 + 2 * math.exp(30 * math.sin(0.2))), rel=1e-5)


def test_nan_is_not_hidden() -> None:
    embedding = torch.tensor([[1.0, float("nan"), 0.0, 0.0]])
    assert ArcFace(4, 3, ArcFaceConfig())(embedding, torch.tensor([1])).isnan()
