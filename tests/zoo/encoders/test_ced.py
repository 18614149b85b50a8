"""CED: its front end against numpy, its forward pass against plain formulas, its sizes against the published ones."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from tests.zoo.formula import waves
from zoo.encoders.ced import CED, Sizes

Floats = NDArray[np.float64]


def levels_of(wave: Floats) -> Floats:
    """Levels in dB of one clip, (frames, 64), with numpy alone."""
    padded = np.pad(wave, 256, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(512) / 512)
    frames = np.stack([padded[start : start + 512] * window for start in range(0, len(padded) - 511, 160)])
    power = np.abs(np.fft.rfft(frames)) ** 2
    edges = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 66) / 2595) - 1)
    hertz = np.arange(257) * 16000 / 512
    rising = (hertz[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - hertz[:, None]) / (edges[2:] - edges[1:-1])
    levels = 10 * np.log10(np.maximum(power @ np.maximum(0, np.minimum(rising, falling)), 1e-10))
    floored: Floats = np.maximum(levels, levels.max() - 120)
    return floored


def made(**sizes: int) -> CED:
    torch.manual_seed(0)
    encoder = CED(Sizes.model_validate({**CED.tiny, **sizes})).eval().requires_grad_(False)
    torch.nn.init.normal_(encoder.init_bn.weight)
    torch.nn.init.normal_(encoder.init_bn.bias)
    encoder.init_bn.running_mean = torch.randn(64) * 10
    encoder.init_bn.running_var = torch.rand(64) + 50
    return encoder


def test_levels_are_those_of_numpy() -> None:
    encoder = made()
    clips = [waves(1)[0], waves(1, "short")[0, :9001]]
    rows = torch.nn.utils.rnn.pad_sequence(clips, batch_first=True)
    features, padding = encoder.features(rows, torch.tensor([len(clip) for clip in clips]))
    for clip, own in zip(clips, features, strict=True):
        expected = levels_of(clip.double().numpy())
        np.testing.assert_allclose(own[: len(expected)].numpy(), expected, atol=2e-3)
    assert padding is not None
    assert (~padding).sum(1).tolist() == [4 * (101 // 16), 4 * (57 // 16)]


def test_silence_beside_a_click_is_floored() -> None:
    wave = torch.zeros(1, 8000)
    wave[0, 4000] = 100.0
    features, _ = made().features(wave)
    assert features.amax() - features.amin() == pytest.approx(120.0, abs=1e-3)


def test_the_forward_pass_is_a_vision_transformer() -> None:
    encoder = made()
    features, _ = encoder.features(waves(1))
    norm = encoder.init_bn
    mels = (features - norm.running_mean) / (norm.running_var + 1e-5).sqrt() * norm.weight + norm.bias  # type: ignore[operator]
    patches = encoder.patch_embed["proj"](mels.transpose(1, 2)[:, None])  # (1, width, 4, columns)
    x = (patches + encoder.time_pos_embed[..., :6] + encoder.freq_pos_embed).flatten(2).transpose(1, 2)  # (f t)
    for block in encoder.blocks:
        y = F.layer_norm(x, (64,), block.norm1.weight, block.norm1.bias, 1e-6)
        q, k, v = (part.unflatten(2, (2, 32)).transpose(1, 2) for part in block.attn.qkv(y).chunk(3, dim=2))
        mixed = ((q @ k.mT / 32**0.5).softmax(-1) @ v).transpose(1, 2).flatten(2)
        x = x + block.attn.proj(mixed)
        y = F.layer_norm(x, (64,), block.norm2.weight, block.norm2.bias, 1e-6)
        x = x + block.mlp["fc2"](F.gelu(block.mlp["fc1"](y)))
    expected = F.layer_norm(x, (64,), encoder.norm.weight, encoder.norm.bias, 1e-6)
    frequency_major = encoder(features).unflatten(1, (6, 4)).transpose(1, 2).flatten(1, 2)
    torch.testing.assert_close(frequency_major, expected, rtol=1e-5, atol=1e-5)


def test_a_long_clip_is_heard_in_pieces() -> None:
    encoder = made()
    long, short = waves(12), waves(2, "b")
    alone = encoder(encoder.features(long)[0])
    assert alone.shape[1] == 4 * (63 + (1201 - 1012) // 16)
    features, padding = encoder.features(torch.cat([long, F.pad(short, (0, 160000))]), torch.tensor([192000, 32000]))
    together = encoder(features, padding)
    assert padding is not None
    assert together.isfinite().all()
    torch.testing.assert_close(together[:1], alone, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(together[1][~padding[1]], encoder(encoder.features(short)[0])[0], rtol=1e-4, atol=1e-4)


def test_training_leaves_the_statistics_alone() -> None:
    encoder = made().train()
    before = encoder.init_bn.running_mean
    assert before is not None
    before = before.clone()
    features, _ = encoder.features(waves(1))
    torch.testing.assert_close(encoder(features), encoder.eval()(features))
    assert torch.equal(before, encoder.init_bn.running_mean)  # type: ignore[arg-type]


@pytest.mark.parametrize(("width", "millions"), [(192, 5.49), (768, 85.66)])
def test_sizes_are_the_published_ones(width: int, millions: float) -> None:
    """They count the tagger of 527 classes, and not the positions."""
    with torch.device("meta"):
        encoder = CED(Sizes(width=width, hidden=4 * width))
    count = sum(parameter.numel() for name, parameter in encoder.named_parameters() if not name.endswith("_pos_embed"))
    assert round((count + 2 * width + 527 * (width + 1)) / 1e6, 2) == millions
