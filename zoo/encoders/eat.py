"""EAT, the efficient audio transformer.

Source: Chen et al., EAT: Self-Supervised Pre-Training with Efficient Audio Transformer, arXiv 2401.03497. Modules and
parameters carry the names of the official Hugging Face checkpoints, and for the same weights and the same fbank the numbers are
those of the public code. It leaves one thing open: to how many frames a clip is zero-padded. In use are 1024 for 10 s and 1216
for 12 s, both multiples of 64: `frame_multiple` is 64. Zero frames are looked at, as in the public code, but in a batch each
clip sees only its own. A clip shorter than one frame (400 samples) is repeated until it fills one.

Files are safetensors from Hugging Face with the prefix `model.`, or fairseq torch files, the same weights under longer names.
"""

from typing import Any, ClassVar

import torch
from pydantic import NonNegativeFloat, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.checkpoints.reading import Checkpoint, Content, renamed
from zoo.encoders._base import Encoder, HeadSizes, at_least, centred, require_multiple
from zoo.encoders._image_encoder import FAIRSEQ, Block, Blocks, banded, positions, short
from zoo.errors import AsdzooError
from zoo.features.fbank import KaldiFbank
from zoo.layers.pooling import Layout
from zoo.metadata import AUDIOSET, Words

METADATA = Words(("log-mel energies",), ("EAT",), ("transformer",), AUDIOSET)
PATCH = 16  # frames, and mel bins
MELS = 128
ROWS = MELS // PATCH


class Sizes(HeadSizes):
    """Sizes; the defaults are those of the base checkpoints."""

    layers: PositiveInt = 12
    width: PositiveInt = 768
    hidden: PositiveInt = 3072  # of the feed-forward part
    columns: PositiveInt = 768  # the longest clip in columns of 16 frames, about two minutes
    frame_multiple: PositiveInt = 64  # open: clips are zero-padded to a multiple of so many frames; a multiple of 16
    dropout: NonNegativeFloat = 0.0  # in training, after each half of a block

    @model_validator(mode="after")
    def _fit(self) -> "Sizes":
        require_multiple("width", self.width, "the four parts of a position", 4)
        require_multiple("frame_multiple", self.frame_multiple, "frames of a patch", PATCH)
        return self


class EAT(Encoder):
    """Waves to token embeddings; the first token is the utterance (CLS), the others are patches, frequency running fastest.

    Shape: fbank (batch, frames, 128), frames a multiple of 16 -> (batch, 1 + frames / 2, width).
    `padding` is True where a token is not to be looked at, bool (batch, tokens); outputs there mean nothing.
    """

    sizes = Sizes
    layout = Layout(front=1, bands=ROWS)
    layer_list = "blocks"
    matrices: ClassVar = {"qkv": "attn.qkv", "proj": "attn.proj", "fc1": "mlp.fc1", "fc2": "mlp.fc2"}
    tiny: ClassVar = {"layers": 2, "width": 64, "heads": 1, "hidden": 128, "columns": 192}
    ignorable = (
        "fc_norm.",  # classifier of fine-tuned files
        "head.",
        "modality_encoders.IMAGE.decoder.",  # pretraining
        "_ema",
        "recon_proj.",
        "cls_proj.",
        "center",
    )

    def __init__(self, config: Sizes) -> None:
        super().__init__()
        self.width = config.width
        self.frame_multiple = config.frame_multiple
        with torch.device("cpu"):  # also when the encoder is made on the meta device, to count or check
            self.front_end = KaldiFbank("hanning", mels=MELS, sample_rate=self.sample_rate)
        self.local_encoder = nn.ModuleDict({"proj": nn.Conv2d(1, config.width, PATCH, PATCH)})
        self.extra_tokens = nn.Parameter(torch.randn(1, 1, config.width) * 0.02)
        self.fixed_positional_encoder = _Positions(config.columns, config.width)
        self.pre_norm = nn.LayerNorm(config.width, eps=1e-6)
        self.blocks = Blocks(Block(config, config.hidden, config.dropout) for _ in range(config.layers))

    @classmethod
    def claim(cls, content: Content) -> dict[str, Any] | None:
        prefixes = ("", "model.")
        names = renamed(content, "local_encoder.proj.weight", prefixes)
        if names is None and not any(banded(content, prefix) for prefix in prefixes):
            names = renamed(content, f"{FAIRSEQ}local_encoder.proj.weight", prefixes)
        return None if names is None else {short(name): value for name, value in names.items()}

    @classmethod
    def told(cls, checkpoint: Checkpoint) -> dict[str, Any]:
        tensors = checkpoint.tensors
        return {
            "layers": sum(name.endswith(".mlp.fc1.weight") for name in tensors),
            "width": len(tensors["local_encoder.proj.weight"]),
            "hidden": len(tensors["blocks.0.mlp.fc1.weight"]),
            "columns": tensors["fixed_positional_encoder.positions"].shape[1] // ROWS,
        }

    def features(self, waves: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Normalised, zero-padded log mel energies and padding of tokens: (batch, frames, 128), (batch, tokens) or None."""
        waves, lengths = at_least(waves, lengths, self.front_end.length)
        fbank = self.front_end(centred(waves, lengths))
        fbank = F.pad(fbank, (0, 0, 0, -fbank.shape[1] % self.frame_multiple))
        if lengths is None:
            return _normalised(fbank), None
        frames = self.front_end.frames(lengths)[:, None]
        time = torch.arange(fbank.shape[1], device=waves.device)
        fbank = fbank.masked_fill((time >= frames)[:, :, None], 0.0)
        columns = (frames + -frames % self.frame_multiple) // PATCH
        beyond = torch.arange(fbank.shape[1] // PATCH, device=waves.device) >= columns
        return _normalised(fbank), F.pad(beyond.repeat_interleave(ROWS, dim=1), (1, 0), value=False)

    def embed(self, fbank: Tensor) -> Tensor:
        """Tokens with positions, normalised: (batch, frames, 128) -> (batch, tokens, width)."""
        x = self.local_encoder["proj"](fbank[:, None]).flatten(2).transpose(1, 2)
        x = x + self.fixed_positional_encoder(x.shape[1])
        x = torch.cat([self.extra_tokens.to(x.dtype).expand(len(x), -1, -1), x], dim=1)
        normed: Tensor = self.pre_norm(x)
        return normed

    def hidden_states(self, features: Tensor, padding: Tensor | None = None) -> list[Tensor]:
        return self._run(features, padding, every=True)

    def forward(self, features: Tensor, padding: Tensor | None = None) -> Tensor:
        """All tokens of the last block, or the first `outputs`."""
        return self._run(features, padding, every=False)[-1]

    def _run(self, fbank: Tensor, padding: Tensor | None, every: bool) -> list[Tensor]:
        x = self.embed(fbank)
        visible = None if padding is None else ~padding[:, None, None, :]
        return self.blocks.states(x, visible, outputs=self.outputs, every=every, again=self.checkpointing)


def _normalised(fbank: Tensor) -> Tensor:
    return (fbank + 4.268) / (2 * 4.569)


class _Positions(nn.Module):
    def __init__(self, columns: int, width: int) -> None:
        super().__init__()
        self.register_buffer("positions", positions(columns, ROWS, width)[None])
        self.positions: Tensor  # (1, columns x 8, width)

    def forward(self, patches: int) -> Tensor:
        if patches > self.positions.shape[1]:
            longest = self.positions.shape[1] // ROWS * PATCH / 100
            raise AsdzooError(
                f"a clip has {patches // ROWS * PATCH / 100:.1f} s, EAT has positions for {longest:.1f} s", "set input.seconds"
            )
        return self.positions[:, :patches]


ENCODER = EAT
