"""Sub-cluster AdaCos against numpy, and what all losses promise."""

import math

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from zoo import losses, registry
from zoo.losses import Loss, LossBlock, soft
from zoo.losses.sc_adacos import Config, SubClusterAdaCos


def built(name: str, dim: int = 6, classes: int = 4, **config: object) -> Loss:
    torch.manual_seed(0)
    return losses.build(TypeAdapter(LossBlock).validate_python({"name": name, **config}), dim, classes)


def batch(count: int = 12, dim: int = 6, classes: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, dim, generator=generator), torch.randint(0, classes, (count,), generator=generator)


def test_it_equals_its_formula_in_numpy() -> None:
    embeddings, labels = batch()
    loss = built("sc_adacos", clusters=3, dynamic=False)
    assert isinstance(loss, SubClusterAdaCos)
    x = embeddings.double().numpy()
    w = loss.centers.detach().double().numpy()
    cosines = (x / np.linalg.norm(x, axis=1, keepdims=True)) @ (w / np.linalg.norm(w, axis=1, keepdims=True)).T
    scale = math.sqrt(2) * math.log(4 * 3 - 1)
    assert loss.scale.item() == pytest.approx(scale)
    exponentials = np.exp(scale * cosines)
    probabilities = exponentials.reshape(-1, 4, 3).sum(2) / exponentials.sum(1, keepdims=True)
    wanted = -np.log(probabilities[np.arange(len(x)), labels.numpy()]).mean()
    assert loss(embeddings, labels).item() == pytest.approx(wanted, rel=1e-5)
    mixed = 0.7 * soft(labels, 4) + 0.3 * soft(labels.flip(0), 4)
    wanted = -(mixed.numpy() * np.log(probabilities)).sum(1).mean()
    assert loss(embeddings, mixed).item() == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("angle", ["code", "nearest"])
def test_the_scale_follows_its_formula_and_is_capped(angle: str) -> None:
    embeddings, labels = batch()
    loss = built("sc_adacos", clusters=2, angle=angle, cap=1000.0)
    assert isinstance(loss, SubClusterAdaCos)
    start = loss.scale.item()
    x, w = embeddings.double().numpy(), loss.centers.detach().double().numpy()
    cosines = (x / np.linalg.norm(x, axis=1, keepdims=True)) @ (w / np.linalg.norm(w, axis=1, keepdims=True)).T
    angles = np.arccos(cosines).reshape(-1, 4, 2)[np.arange(len(x)), labels.numpy()]
    median = np.median(angles.sum(1) if angle == "code" else angles.min(1))
    wanted = np.log(np.exp(start * cosines).sum(1).mean()) / np.cos(min(np.pi / 4, median))
    loss.train()(embeddings, labels)
    assert loss.scale.item() == pytest.approx(wanted, rel=1e-5)
    after = loss.scale.item()
    loss.eval()(embeddings, labels)
    assert loss.scale.item() == after
    capped = built("sc_adacos", clusters=2, cap=2.0).train()
    capped(embeddings, labels)
    assert capped.get_buffer("scale").item() == 2.0


def test_the_scale_of_mixed_clips_is_that_of_the_public_code() -> None:
    """Angles weighted by labels, summed over all centres, times the number of a clip's classes; sums about the largest."""
    embeddings, labels = batch()
    shares = torch.maximum(0.6 * soft(labels, 4), 0.4 * soft(labels.flip(0), 4))
    loss = built("sc_adacos", clusters=2, cap=1000.0).train()
    assert isinstance(loss, SubClusterAdaCos)
    start = loss.scale.item()
    x, w, y = embeddings.double().numpy(), loss.centers.detach().double().numpy(), shares.double().numpy()
    cosines = (x / np.linalg.norm(x, axis=1, keepdims=True)) @ (w / np.linalg.norm(w, axis=1, keepdims=True)).T
    weighted = (np.repeat(y, 2, axis=1) * np.arccos(cosines)).sum(1) * (y > 0).sum(1)
    largest = (start * cosines).max()
    log_b = largest + np.log(np.exp(start * cosines - largest).sum(1).mean())
    loss(embeddings, shares)
    assert loss.scale.item() == pytest.approx(log_b / np.cos(min(np.pi / 4, np.median(weighted))), rel=1e-5)


@pytest.mark.parametrize("trainable", [True, False])
def test_centres_learn_only_when_asked(trainable: bool) -> None:
    loss = built("sc_adacos", trainable=trainable)
    embeddings, labels = batch()
    loss(embeddings.requires_grad_(), labels).backward()
    assert (loss.get_parameter("centers").grad is not None) == trainable
    assert embeddings.grad is not None


@pytest.mark.parametrize("name", registry.names("loss"))
def test_every_loss_takes_shares_as_it_takes_classes(name: str) -> None:
    embeddings, labels = batch()
    loss = built(name).eval()
    assert loss.classes == 4
    assert loss(embeddings, soft(labels, 4)).item() == pytest.approx(loss(embeddings, labels).item(), rel=1e-6)


@pytest.mark.parametrize("name", registry.names("loss"))
def test_every_loss_learns_and_does_not_mind_the_order_of_clips(name: str) -> None:
    embeddings, labels = batch()
    loss = built(name).eval()
    turned = torch.randperm(len(labels), generator=torch.Generator().manual_seed(3))
    assert loss(embeddings[turned], labels[turned]).item() == pytest.approx(loss(embeddings, labels).item(), rel=1e-5)
    moved = embeddings.clone().requires_grad_()
    optimizer = torch.optim.Adam([moved], lr=0.1)
    before = loss(moved, labels).item()
    for _ in range(100):
        optimizer.zero_grad()
        loss(moved, labels).backward()
        optimizer.step()
    assert loss(moved, labels).item() < 0.7 * before


@pytest.mark.parametrize("name", registry.names("loss"))
def test_every_loss_is_float32_inside_autocast(name: str) -> None:
    embeddings, labels = batch()
    loss = built(name).eval()
    with torch.autocast("cpu", torch.bfloat16):
        inside = loss(embeddings, labels)
    assert inside.dtype == torch.float32
    assert inside.item() == pytest.approx(loss(embeddings, labels).item(), rel=1e-6)


def test_classes_without_labels_have_centres_of_their_own_number() -> None:
    loss = built("arcface", centers=1, unlabelled_centers=5)
    loss.unlabelled(torch.tensor([False, True, False, False]))
    centers = loss.get_parameter("centers").detach().view(4, 5, 6)
    cosines = getattr(loss, "cosines")  # noqa: B009  # a method of ArcFace alone
    assert cosines(centers[1]).argmax(1).tolist() == [1] * 5
    assert torch.allclose(cosines(centers[1])[:, 1], torch.ones(5), atol=1e-6)
    assert not torch.allclose(cosines(centers[0, 1:])[:, 0], torch.ones(4), atol=1e-2)  # a centre that class 0 does not have


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"name": "arcfce"}, "did you mean arcface"),
        ({"name": "sc_adacos", "cluster": 3}, "cluster: extra inputs"),
        ({"margin": 4.0}, "margin: input should be less than"),
    ],
)
def test_a_wrong_block_names_its_key(block: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TypeAdapter(LossBlock).validate_python(block)


def test_a_block_without_a_name_is_arcface_and_says_so_when_written_out() -> None:
    parsed = TypeAdapter(LossBlock).validate_python({"margin": 0.3})
    assert TypeAdapter(LossBlock).dump_python(parsed)["name"] == "arcface"
    assert Config().model_dump()["name"] == "sc_adacos"
