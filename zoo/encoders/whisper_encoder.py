"""The encoder of Whisper, and of Qwen-Audio, which went on training it.

Source: Radford et al., Robust speech recognition via large-scale weak supervision, ICML 2023, section 2.2; Chu et al.,
Qwen-Audio, 2311.07919, section 3.1. For the same weights and frames the numbers are those of `transformers`. Two things differ:

length  Whisper fills every clip up with silence to 30 s; here a clip has as many frames as it is long, as in Qwen-Audio.
rest    A token stands for 20 ms, of Qwen-Audio for 40 ms; what is left over at the end of a clip is not heard.

Frames at the end of a clip look at zeros beyond it. The last state has the final LayerNorm, those before it have none.
Qwen-Audio averages neighbouring tokens before it (`average_pool`), here those of every layer; its projection to the language
model is left out.

Files are safetensors of `transformers` (Whisper), torch files of OpenAI, or Qwen-Audio's, under `transformer.audio.`
"""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from pydantic import NonNegativeFloat, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from zoo.checkpoints.reading import Checkpoint, Content, renamed
from zoo.encoders._base import Encoder, HeadSizes, at_least, require_multiple
from zoo.errors import AsdzooError
from zoo.features.fourier import framed, in_float32, power
from zoo.features.mel import slaney_filters
from zoo.metadata import Words

METADATA = Words(("log-mel energies",), ("Whisper encoder",), ("transformer",), {"Whisper": "https://arxiv.org/abs/2212.04356"})
WINDOW, HOP = 400, 160  # samples
_OPENAI = {
    "positional_embedding": "embed_positions.weight",
    "ln_post.": "layer_norm.",
    ".attn.query.": ".self_attn.q_proj.",
    ".attn.key.": ".self_attn.k_proj.",
    ".attn.value.": ".self_attn.v_proj.",
    ".attn.out.": ".self_attn.out_proj.",
    ".attn_ln.": ".self_attn_layer_norm.",
    ".mlp.0.": ".fc1.",
    ".mlp.2.": ".fc2.",
    ".mlp_ln.": ".final_layer_norm.",
}
_LAYERS = re.compile(r"^layers\.")  # of transformers
_QWEN = ("proj.", "audio_bos_eos_token.")


class Sizes(HeadSizes):
    """Sizes; the defaults are those of large-v2, which Qwen-Audio began with."""

    layers: PositiveInt = 32
    width: PositiveInt = 1280
    hidden: PositiveInt = 5120  # of the feed-forward part
    mels: PositiveInt = 80
    positions: PositiveInt = 1500  # of 20 ms: the longest clip has 30 s
    average_pool: bool = False  # Qwen-Audio: means of two neighbours
    dropout: NonNegativeFloat = 0.0  # in training, after each half of a layer

    @model_validator(mode="after")
    def _fit(self) -> "Sizes":
        require_multiple("width", self.width, "the two halves of a position", 2)
        return self


class WhisperEncoder(Encoder):
    """Waves to tokens of 20 ms (40 ms with `average_pool`).

    Shape: log mel energies (batch, frames, mels), frames a multiple of 2 (4) -> (batch, frames / 2 (4), width).
    `padding` is True where a token is not to be looked at, bool (batch, tokens); outputs there mean nothing.
    """

    sizes = Sizes
    layer_list = "blocks"
    matrices: ClassVar = {name: f"self_attn.{name}_proj" for name in ("q", "k", "v", "out")} | {"fc1": "fc1", "fc2": "fc2"}
    tiny: ClassVar = {"layers": 2, "width": 64, "heads": 2, "hidden": 128, "mels": 40, "positions": 150, "average_pool": True}
    ignorable = ("model.decoder.", "decoder.", "proj_out.", *_QWEN)

    def __init__(self, config: Sizes) -> None:
        super().__init__()
        self.width, self.pool = config.width, 2 if config.average_pool else 1
        with torch.device("cpu"):  # also when the encoder is made on the meta device, to count or check
            self.front_end = _LogMel(config.mels, self.sample_rate)
        self.conv1 = nn.Conv1d(config.mels, config.width, 3, padding=1)
        self.conv2 = nn.Conv1d(config.width, config.width, 3, stride=2, padding=1)
        self.embed_positions = _Positions(config.positions, config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(_Layer(config) for _ in range(config.layers))
        self.layer_norm = nn.LayerNorm(config.width)

    @classmethod
    def claim(cls, content: Content) -> dict[str, Any] | None:
        inside = content.values.get("model_state_dict")  # OpenAI's files
        if isinstance(inside, Mapping):
            content = Content(content.path, {str(name): value for name, value in inside.items()}, content.settings)
        names = renamed(content, "embed_positions.weight", ("model.encoder.", "encoder.", ""))
        if names is not None:
            return {_LAYERS.sub("blocks.", name): value for name, value in names.items()} if "conv1.weight" in names else None
        names = renamed(content, "blocks.0.attn.query.weight", ("transformer.audio.", "encoder.", ""))
        return None if names is None else {_name(name): value for name, value in names.items()}

    @classmethod
    def told(cls, checkpoint: Checkpoint) -> dict[str, Any]:
        tensors = checkpoint.tensors
        width, mels, _ = tensors["conv1.weight"].shape
        said = {
            "layers": sum(name.endswith(".fc1.weight") for name in tensors),
            "width": width,
            "hidden": len(tensors["blocks.0.fc1.weight"]),
            "mels": mels,
            "positions": len(tensors["embed_positions.weight"]),
        }
        return said | {"average_pool": True} if any(name.startswith(_QWEN) for name in checkpoint.ignored) else said

    def features(self, waves: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Log mel energies and padding of tokens: (batch, frames, mels), (batch, tokens) or None."""
        per_token = 2 * self.pool  # frames
        waves, lengths = at_least(waves, lengths, per_token * HOP)
        frames = torch.full((len(waves),), waves.shape[1], device=waves.device) if lengths is None else lengths
        own = torch.arange(waves.shape[1] // HOP, device=waves.device) < (frames // HOP)[:, None]
        mel = self.front_end(waves)
        loudest = mel.masked_fill(~own[:, :, None], -torch.inf).amax((1, 2), keepdim=True)
        mel = (torch.maximum(mel, loudest - 8.0) + 4.0) / 4.0
        tokens = mel.shape[1] // per_token
        mel = mel[:, : tokens * per_token]
        if lengths is None:
            return mel, None
        beyond = torch.arange(tokens, device=waves.device) >= (lengths // HOP // per_token)[:, None]
        return mel, beyond

    def embed(self, mel: Tensor, padding: Tensor | None) -> Tensor:
        """Tokens of 20 ms with positions, as the first layer has them: (batch, frames / 2, width)."""
        if mel.shape[1] // 2 > len(self.embed_positions.weight):
            longest = len(self.embed_positions.weight) / 50
            raise AsdzooError(
                f"a clip has {mel.shape[1] / 100:.1f} s, the Whisper encoder hears at most {longest:.1f} s",
                f"set input.seconds={longest:g} or less; input.longer=windows hears all of a longer clip",
            )
        beyond = None if padding is None else padding.repeat_interleave(2 * self.pool, dim=1)[:, None]
        x = mel.transpose(1, 2)
        x = F.gelu(self.conv1(x if beyond is None else x.masked_fill(beyond, 0.0)))
        x = F.gelu(self.conv2(x if beyond is None else x.masked_fill(beyond, 0.0))).transpose(1, 2)
        return x + self.embed_positions.weight[: x.shape[1]]

    def hidden_states(self, features: Tensor, padding: Tensor | None = None) -> list[Tensor]:
        return self._run(features, padding, every=True)

    def forward(self, features: Tensor, padding: Tensor | None = None) -> Tensor:
        return self._run(features, padding, every=False)[-1]

    def _run(self, mel: Tensor, padding: Tensor | None, every: bool) -> list[Tensor]:
        x = self.dropout(self.embed(mel, padding))
        visible = None if padding is None else ~padding.repeat_interleave(self.pool, dim=1)[:, None, None, :]
        states = [self._pooled(x)] if every else []
        for layer in self.blocks:
            if self.checkpointing and torch.is_grad_enabled():
                x = checkpoint(layer, x, visible, use_reentrant=False)
            else:
                x = layer(x, visible)
            states = [*states, self._pooled(x)] if every else [x]
        last = states[-1] if every else self._pooled(x)
        return [*states[:-1], self.layer_norm(last)]

    def _pooled(self, x: Tensor) -> Tensor:
        return x if self.pool == 1 else x.view(len(x), -1, self.pool, self.width).mean(2)


def _name(name: str) -> str:
    """A name of OpenAI's or Qwen-Audio's as `transformers` has it."""
    if name.startswith(("decoder.", "transformer.", "lm_head.")):
        return f"decoder.{name}"
    return re.sub("|".join(map(re.escape, _OPENAI)), lambda found: _OPENAI[found[0]], name)


class _LogMel(nn.Module):
    """Decimal logarithm of the power of Slaney's mel bands: (batch, samples) -> (batch, samples // 160, mels)."""

    def __init__(self, mels: int, sample_rate: int) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(WINDOW), persistent=False)
        self.register_buffer("filters", slaney_filters(mels, WINDOW, sample_rate), persistent=False)
        self.window: Tensor
        self.filters: Tensor

    @in_float32
    def forward(self, waves: Tensor) -> Tensor:
        before = waves[:, 1 : WINDOW // 2 + 1].flip(1)  # the start is mirrored
        padded = torch.cat([before, F.pad(waves, (0, WINDOW // 2))], dim=1)
        spectra = power(framed(padded, self.window, HOP))[:, : waves.shape[1] // HOP]
        return (spectra @ self.filters).clamp_min(1e-10).log10()


class _Positions(nn.Module):
    """Fixed sinusoids, the sines before the cosines, (positions, width)."""

    def __init__(self, positions: int, width: int) -> None:
        super().__init__()
        rates = torch.exp(-torch.linspace(0, 1, width // 2, dtype=torch.float64) * torch.log(torch.tensor(10000.0).double()))
        angles = torch.arange(positions, dtype=torch.float64)[:, None] * rates
        self.register_buffer("weight", torch.cat([angles.sin(), angles.cos()], dim=1).float())
        self.weight: Tensor


class _Layer(nn.Module):
    """Pre-norm."""

    def __init__(self, config: Sizes) -> None:
        super().__init__()
        self.self_attn_layer_norm = nn.LayerNorm(config.width)
        self.self_attn = _Attention(config)
        self.final_layer_norm = nn.LayerNorm(config.width)
        self.fc1 = nn.Linear(config.width, config.hidden)
        self.fc2 = nn.Linear(config.hidden, config.width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, visible: Tensor | None) -> Tensor:
        x = x + self.dropout(self.self_attn(self.self_attn_layer_norm(x), visible))
        y: Tensor = x + self.dropout(self.fc2(F.gelu(self.fc1(self.final_layer_norm(x)))))
        return y


class _Attention(nn.Module):
    """Keys have no bias: the softmax would not see it."""

    def __init__(self, config: Sizes) -> None:
        super().__init__()
        self.heads = config.attention_heads
        self.q_proj = nn.Linear(config.width, config.width)
        self.k_proj = nn.Linear(config.width, config.width, bias=False)
        self.v_proj = nn.Linear(config.width, config.width)
        self.out_proj = nn.Linear(config.width, config.width)

    def forward(self, x: Tensor, visible: Tensor | None) -> Tensor:
        q, k, v = (
            projected(x).unflatten(2, (self.heads, -1)).transpose(1, 2) for projected in (self.q_proj, self.k_proj, self.v_proj)
        )
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=visible)
        mixed: Tensor = self.out_proj(y.transpose(1, 2).flatten(2))
        return mixed


ENCODER = WhisperEncoder
