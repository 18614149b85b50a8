"""CED, audio taggers distilled into transformers of four sizes.

Source: Dinkel et al., CED: consistent ensemble distillation for audio tagging, ICASSP 2024. Written from the paper and a
specification of the front end; its public code is under the GPL, and none of it was read. Where the paper is silent:

front end   power of 64 mel bands (2595 log10(1 + f/700), triangles of height 1), periodic Hann window 512, hop 160, frames
            centred, ends mirrored; 10 log10, floored at 1e-10 and at 120 dB below the clip's loudest value
norm        of each mel band, always with the statistics of the checkpoint, also in training
long clips  Positions end at 1012 frames. A longer clip is heard in pieces of as many, each on its own; the last one is not
            filled up.
names       of tensors in the files are those of vision transformers (unverified: no file was at hand)

Tokens stand column by column in time. The embedding of a clip is their mean.
"""

from typing import Any, ClassVar

import torch
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from zoo.checkpoints.reading import Checkpoint, Content, renamed
from zoo.encoders._base import Encoder, HeadSizes, at_least
from zoo.features.fourier import framed, in_float32, power
from zoo.features.mel import mel_filters
from zoo.layers.pooling import Layout
from zoo.metadata import AUDIOSET, Words

METADATA = Words(("log-mel energies",), ("CED",), ("transformer",), AUDIOSET)
PATCH = 16  # frames, and mel bins
MELS = 64
ROWS = MELS // PATCH
PIECE = 1012  # frames
WINDOW, HOP = 512, 160  # samples
RANGE = 120.0  # dB


class Sizes(HeadSizes):
    """Sizes; the defaults are those of base. tiny: width 192, mini: 256, small: 384."""

    layers: PositiveInt = 12
    width: PositiveInt = 768
    hidden: PositiveInt = 3072  # of the feed-forward part
    dropout: NonNegativeFloat = 0.0  # in training, after each half of a block


class CED(Encoder):
    """Waves to patch embeddings.

    Shape: levels in dB (batch, frames, 64) -> (batch, columns x 4, width), a column of 16 frames, frequency running fastest.
    `padding` is True where a token is not to be looked at, bool (batch, tokens); outputs there mean nothing.
    """

    sizes = Sizes
    layout = Layout(bands=ROWS)
    layer_list = "blocks"
    matrices: ClassVar = {"qkv": "attn.qkv", "proj": "attn.proj", "fc1": "mlp.fc1", "fc2": "mlp.fc2"}
    tiny: ClassVar = {"layers": 2, "width": 64, "heads": 2, "hidden": 128}
    ignorable = ("outputlayer.", "front_end.")  # the tagger; the window and the mel matrix

    def __init__(self, config: Sizes) -> None:
        super().__init__()
        self.width = config.width
        with torch.device("cpu"):  # also when the encoder is made on the meta device, to count or check
            self.front = _Decibels(self.sample_rate)
        self.init_bn = nn.BatchNorm2d(MELS)
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(1, config.width, PATCH, PATCH)})
        self.time_pos_embed = nn.Parameter(torch.randn(1, config.width, 1, PIECE // PATCH) * 0.02)
        self.freq_pos_embed = nn.Parameter(torch.randn(1, config.width, ROWS, 1) * 0.02)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width, eps=1e-6)

    @classmethod
    def claim(cls, content: Content) -> dict[str, Any] | None:
        names = renamed(content, "time_pos_embed", ("", "encoder."))
        if names is None or "freq_pos_embed" not in names:
            return None
        return {name.replace("init_bn.1.", "init_bn."): value for name, value in names.items()}

    @classmethod
    def told(cls, checkpoint: Checkpoint) -> dict[str, Any]:
        tensors = checkpoint.tensors
        return {
            "layers": sum(name.endswith(".mlp.fc1.weight") for name in tensors),
            "width": tensors["time_pos_embed"].shape[1],
            "hidden": len(tensors["blocks.0.mlp.fc1.weight"]),
        }

    def features(self, waves: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Levels of mel bands and padding of tokens: (batch, frames, 64), (batch, tokens) or None."""
        waves, lengths = at_least(waves, lengths, (PATCH - 1) * HOP)
        every = torch.full((len(waves),), waves.shape[1], device=waves.device) if lengths is None else lengths
        levels = self.front(_mirrored(waves, every))
        own = torch.arange(levels.shape[1], device=waves.device) < (1 + every // HOP)[:, None]
        loudest = levels.masked_fill(~own[:, :, None], -torch.inf).amax((1, 2), keepdim=True)
        levels = torch.maximum(levels, loudest - RANGE)
        if lengths is None:
            return levels, None
        columns = torch.arange(int(_columns(torch.tensor(levels.shape[1]))), device=waves.device)
        return levels, (columns >= _columns(1 + lengths // HOP)[:, None]).repeat_interleave(ROWS, dim=1)

    def embed(self, levels: Tensor) -> Tensor:
        """Patches of one piece with positions: (batch, frames, 64) -> (batch, columns x 4, width)."""
        norm = self.init_bn
        mels = F.batch_norm(levels.transpose(1, 2), norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
        patches = self.patch_embed["proj"](mels[:, None])
        patches = patches + self.time_pos_embed[..., : patches.shape[3]] + self.freq_pos_embed
        return self.dropout(patches.permute(0, 3, 2, 1).flatten(1, 2))  # type: ignore[no-any-return]

    def hidden_states(self, features: Tensor, padding: Tensor | None = None) -> list[Tensor]:
        return self._run(features, padding, every=True)

    def forward(self, features: Tensor, padding: Tensor | None = None) -> Tensor:
        return self._run(features, padding, every=False)[-1]

    def _run(self, levels: Tensor, padding: Tensor | None, every: bool) -> list[Tensor]:
        pieces = [piece for piece in torch.split(levels, PIECE, dim=1) if piece.shape[1] >= PATCH]
        sizes = [piece.shape[1] // PATCH * ROWS for piece in pieces]
        hidden = [None] * len(pieces) if padding is None else torch.split(padding, sizes, dim=1)
        found = [self._piece(piece, beyond, every) for piece, beyond in zip(pieces, hidden, strict=True)]
        return [torch.cat(states, dim=1) for states in zip(*found, strict=True)]

    def _piece(self, levels: Tensor, padding: Tensor | None, every: bool) -> list[Tensor]:
        x = self.embed(levels)
        visible = None
        if padding is not None:  # a clip that ends before this piece sees all of it, and nobody looks
            visible = (~padding | padding.all(1, keepdim=True))[:, None, None, :]
        states = [x]
        for block in self.blocks:
            if self.checkpointing and torch.is_grad_enabled():
                x = checkpoint(block, x, visible, use_reentrant=False)
            else:
                x = block(x, visible)
            states = [*states, x] if every else [x]
        return [*states[:-1], self.norm(states[-1])]


def _columns(frames: Tensor) -> Tensor:
    """Columns of patches in so many frames, piece by piece."""
    return frames // PIECE * (PIECE // PATCH) + frames % PIECE // PATCH


def _mirrored(waves: Tensor, lengths: Tensor) -> Tensor:
    """Half a window more at either end of each clip, its samples backwards: (batch, samples) -> (batch, samples + 512)."""
    half = WINDOW // 2
    place = torch.arange(-half, waves.shape[1] + half, device=waves.device).abs().expand(len(waves), -1)
    last = lengths[:, None] - 1
    place = torch.where(place > last, 2 * last - place, place)
    return waves.gather(1, place.clamp(0, waves.shape[1] - 1))


class _Decibels(nn.Module):
    """Levels of mel bands in frames that fit: (batch, samples) -> (batch, frames, 64)."""

    def __init__(self, sample_rate: int) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(WINDOW), persistent=False)
        self.register_buffer("filters", mel_filters(MELS, WINDOW, sample_rate, 0.0, by_mel=False), persistent=False)
        self.window: Tensor
        self.filters: Tensor

    @in_float32
    def forward(self, waves: Tensor) -> Tensor:
        return 10 * (power(framed(waves, self.window, HOP)) @ self.filters).clamp_min(1e-10).log10()


class _Block(nn.Module):
    """Pre-norm."""

    def __init__(self, config: Sizes) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.width, eps=1e-6)
        self.attn = _Attention(config)
        self.norm2 = nn.LayerNorm(config.width, eps=1e-6)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(config.width, config.hidden), "fc2": nn.Linear(config.hidden, config.width)})
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, visible: Tensor | None) -> Tensor:
        x = x + self.dropout(self.attn(self.norm1(x), visible))
        y: Tensor = x + self.dropout(self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(x)))))
        return y


class _Attention(nn.Module):
    def __init__(self, config: Sizes) -> None:
        super().__init__()
        self.heads = config.attention_heads
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.proj = nn.Linear(config.width, config.width)

    def forward(self, x: Tensor, visible: Tensor | None) -> Tensor:
        q, k, v = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=visible)
        mixed: Tensor = self.proj(y.transpose(1, 2).flatten(2))
        return mixed


ENCODER = CED
