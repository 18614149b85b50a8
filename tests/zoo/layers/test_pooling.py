"""Pooling sees every token that is one and no other."""

import pytest
import torch

from zoo.errors import AsdzooError
from zoo.layers.pooling import AttentiveStatistics, ClassToken, Layout, Mean, Pooling, pooling


def poolings(skip: int) -> list[Pooling]:
    torch.manual_seed(0)
    return [Mean(6, skip), AttentiveStatistics(6, skip)]


@pytest.mark.parametrize("skip", [0, 1])
@pytest.mark.parametrize("which", [0, 1])
def test_padding_changes_nothing(which: int, skip: int) -> None:
    pool = poolings(skip)[which]
    tokens = torch.randn(2, 9, 6)
    padding = torch.arange(9)[None] >= torch.tensor([[9], [5]])
    together = pool(tokens, padding)
    assert together.shape == (2, pool.dim)
    torch.testing.assert_close(together[:1], pool(tokens[:1]))
    torch.testing.assert_close(together[1:], pool(tokens[1:, :5]))
    tokens[1, 5:] = 1e6
    torch.testing.assert_close(pool(tokens, padding), together)


@pytest.mark.parametrize("which", [0, 1])
def test_the_order_of_tokens_does_not_matter_and_the_class_token_is_left_out(which: int) -> None:
    pool = poolings(1)[which]
    tokens = torch.randn(1, 9, 6)
    expected = pool(tokens)
    shuffled = torch.cat([100 * torch.ones(1, 1, 6), tokens[:, 1:].flip(1)], dim=1)
    torch.testing.assert_close(pool(shuffled), expected)


def test_even_attention_gives_plain_statistics() -> None:
    pool = AttentiveStatistics(6)
    for parameter in pool.parameters():
        torch.nn.init.zeros_(parameter)
    tokens = torch.randn(3, 20, 6)
    expected = torch.cat([tokens.mean(1), tokens.std(1, correction=0)], dim=1)
    torch.testing.assert_close(pool(tokens), expected)


def test_constant_tokens_have_finite_gradients() -> None:
    pool = AttentiveStatistics(4)
    tokens = torch.ones(1, 5, 4, requires_grad=True)
    pool(tokens).sum().backward()
    assert tokens.grad is not None
    assert tokens.grad.isfinite().all()


def test_class_token() -> None:
    tokens = torch.randn(2, 3, 4)
    assert torch.equal(pooling("class_token", 4, Layout(front=1))(tokens), tokens[:, 0])
    assert isinstance(pooling("class_token", 4, Layout(front=1)), ClassToken)
    with pytest.raises(AsdzooError, match="has no class token") as caught:
        pooling("class_token", 4, Layout(bands=8))
    assert "model.pooling=mean" in caught.value.hint


def test_tokens_stand_by_column_and_band() -> None:
    layout = Layout(front=2, bands=4)
    tokens = torch.tensor([[[-1.0, -1.0]] * 2 + [[column, band] for column in range(3) for band in range(4)]])
    grid = layout.grid(tokens)
    assert grid.shape == (1, 3, 4, 2)
    assert torch.equal(grid[0, :, :, 0], torch.arange(3.0)[:, None].expand(3, 4))
    assert torch.equal(grid[0, :, :, 1], torch.arange(4.0).expand(3, 4))
    padding = torch.arange(14)[None] >= 10
    assert layout.grid(padding)[0].all(1).tolist() == [False, False, True]
