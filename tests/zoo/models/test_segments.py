"""Transformer pooling: how recordings are cut, who learns from what, and that padding never matters."""

import pytest
import torch

from tests.zoo.formula import waves
from zoo.errors import AsdzooError
from zoo.models._segments import OverSegments, cut
from zoo.systems import load_system

SEGMENTS = "model.segments={seconds: 0.5, hop: 0.25, layers: 1, heads: 2}"
WHOLE = "input={seconds: null}"


def network(*settings: str) -> OverSegments:
    found = load_system("beats_lora_tiny", [SEGMENTS, WHOLE, *settings]).build_network([""] * 3, 0)
    assert isinstance(found, OverSegments)
    return found


def test_the_last_segment_ends_with_the_recording_and_a_short_one_is_repeated() -> None:
    rows = torch.arange(10.0).repeat(3, 1)
    segments, absent = cut(rows, torch.tensor([10, 5, 3]), 4, 3)
    assert absent.tolist() == [[False, False, False], [False, False, True], [False, True, True]]
    assert segments[0].tolist() == [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9]]
    assert segments[1, :2].tolist() == [[0, 1, 2, 3], [1, 2, 3, 4]]
    assert segments[2, 0].tolist() == [0, 1, 2, 0]
    whole, none = cut(rows, None, 4, 3)
    assert torch.equal(whole[0], segments[0])
    assert not none.any()


def test_a_clip_has_the_same_embedding_in_every_batch() -> None:
    one = network().eval()
    lengths = torch.tensor([32000, 11200, 1600])
    rows = torch.cat([waves(2, str(clip)) for clip in range(3)]) * (torch.arange(32000) < lengths[:, None])
    together = one(rows, lengths)
    assert together.shape == (3, one.dim)
    for row, length, embedding in zip(rows, lengths, together, strict=True):
        torch.testing.assert_close(one(row[None, :length])[0], embedding, rtol=1e-4, atol=1e-4)


def test_a_segment_counts_wherever_it_stands() -> None:
    one = network("model.segments.hop=0.5").eval()
    wave = waves(2)
    turned = wave.view(1, 4, 8000).flip(1).reshape(1, -1)
    torch.testing.assert_close(one(wave), one(turned), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(one(wave), one(waves(2, "other")), atol=1e-3)


def test_the_encoder_learns_from_segments_and_the_transformer_from_the_recording() -> None:
    one, labels = network(), torch.tensor([0, 2])
    found = one.losses(torch.cat([waves(2), waves(1.0, "b").repeat(1, 2)]), labels, torch.tensor([32000, 16000]))
    assert found.keys() == {"segment", "arcface"}
    trained = {name: value for name, value in one.named_parameters() if value.requires_grad}
    for loss, heard in ((found["segment"], ("segment.",)), (found["arcface"], ("fusion.", "head."))):
        gradients = torch.autograd.grad(loss, list(trained.values()), allow_unused=True)
        moved = {name for name, gradient in zip(trained, gradients, strict=True) if gradient is not None}
        assert moved
        assert all(name.startswith(heard) for name in moved)


def test_what_is_trained_is_saved_and_comes_back() -> None:
    one, other = network(), network()
    with torch.no_grad():
        for parameter in one.fusion.parameters():
            parameter.normal_()
    other.load_trained_state(one.trained_state())
    torch.testing.assert_close(one.eval()(waves(2)), other.eval()(waves(2)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["model.segments.heads=3"], "cannot be shared among 3 heads"),
        (["model.embedding={pooling: mean}"], "segments are joined by a transformer that is trained"),
        (["model.segments.seconds=0"], "model: segments.seconds"),
    ],
)
def test_what_does_not_go_together_is_said(settings: list[str], message: str) -> None:
    with pytest.raises(AsdzooError, match=message):
        network(*settings)
