"""FISHER, a transformer of industrial signals that hears a spectrogram sub-band by sub-band.

Source: Fan et al., FISHER: A Foundation Model for Multi-Modal Industrial Signal Comprehensive Representation, arXiv 2507.16696.
The magnitude spectrogram (25 ms every 10 ms) is cut into bands of equal width; what is left over at the top is not heard, nor
are the last rows of a band and frames of a clip that fill no patch. Each band is a clip of its own for one and the same
transformer, EAT's, with a class token in front; the embedding of a clip is the class tokens of its bands side by side. For the
same weights and the same spectrogram the numbers are those of the public code. Three things about it:

positions  The table in the files is made for 50 rows of patches in a column. A band has fewer, and the public code gives its
           tokens the first entries of the table one after another, as it was trained: so here.
frames     The public code leaves clips as they are, its benchmark (RMIS) zero-pads them to 1024 frames, which is `at_least`.
           Both cut longer ones there; here all is heard (open): `input.seconds` 10.255 is 1024 frames.
rate       A higher rate has more bands of the same width. 16 kHz, two bands, is what is built here.

A clip shorter than a patch (2800 samples) is repeated until it fills one. Files are torch files {"cfg": ..., "model": ...} with
fairseq's names (as the public code reads them), or safetensors with a config.json beside (unverified: no file was at hand).
"""

from typing import Any, ClassVar

import torch
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.checkpoints.reading import Checkpoint, Content, renamed
from zoo.encoders._base import Encoder, HeadSizes, at_least, centred, require_multiple
from zoo.encoders._image_encoder import FAIRSEQ, Block, Blocks, banded, positions, said, short
from zoo.errors import AsdzooError
from zoo.features.stft import StftMagnitude
from zoo.layers.pooling import Layout
from zoo.metadata import AUDIOSET, Words

METADATA = Words(
    ("log-magnitude spectrogram",),
    ("FISHER",),
    ("transformer",),
    AUDIOSET
    | {
        "Freesound": "https://freesound.org",
        "MTG-Jamendo": "https://github.com/MTG/mtg-jamendo-dataset",
        "Music4All": "https://sites.google.com/view/contact4music4all",
    },
)
PATCH = 16  # frames, and bins
MEAN, DEVIATION = -3.017344307886898, 2.1531635155379805  # of log magnitudes, in the public code
# What the public code can be set to and this is not: model, then model.modalities.image
_FORM = {"layer_norm_first": False, "norm_affine": True}
_IMAGE_FORM = {"flatten": "freq", "patch_size": PATCH, "num_extra_tokens": 1, "prenet_depth": 0, "use_alibi_encoder": False}


class Sizes(HeadSizes):
    """Sizes; the defaults are those of small. tiny: width 192, hidden 768."""

    layers: PositiveInt = 12
    width: PositiveInt = 384
    hidden: PositiveInt = 1536  # of the feed-forward part
    band_width: PositiveInt = 100  # bins of 40 Hz
    positions: PositiveInt = 6400  # entries of the table
    at_least: NonNegativeInt = 0  # open: clips are zero-padded to so many frames
    dropout: NonNegativeFloat = 0.0  # in training, after each half of a block

    @model_validator(mode="after")
    def _fit(self) -> "Sizes":
        require_multiple("width", self.width, "the four parts of a position", 4)
        if not PATCH <= self.band_width <= BINS:
            raise ValueError(f"band_width {self.band_width} is none of {PATCH} (a patch) to {BINS} (all bins)")
        return self


class FISHER(Encoder):
    """Waves to token embeddings: the class token of each band, then patches, column by column, low bands and rows first.

    Shape: log magnitudes (batch, frames, bands x band_width), frames a multiple of 16
    -> (batch, bands + columns x bands x rows, width), a column of 16 frames, band_width // 16 rows.
    `padding` is True where a token is not to be looked at, bool (batch, tokens); outputs there mean nothing.
    """

    sizes = Sizes
    layer_list = "blocks"
    matrices: ClassVar = {"qkv": "attn.qkv", "proj": "attn.proj", "fc1": "mlp.fc1", "fc2": "mlp.fc2"}
    tiny: ClassVar = {"layers": 2, "width": 64, "heads": 1, "hidden": 128, "band_width": 100, "positions": 600}
    must_tell: ClassVar = {"band_width": "config.json"}

    def __init__(self, config: Sizes) -> None:
        super().__init__()
        self.width, self.band_width, self.at_least = config.width, config.band_width, config.at_least
        self.bands, self.rows = BINS // config.band_width, config.band_width // PATCH
        self.layout = Layout(front=self.bands, bands=self.bands * self.rows)
        with torch.device("cpu"):  # also when the encoder is made on the meta device, to count or check
            self.spectrogram = StftMagnitude(WINDOW, HOP)
        self.local_encoder = nn.ModuleDict({"proj": nn.Conv2d(1, config.width, PATCH, PATCH)})
        self.band_token = nn.Parameter(torch.randn(1, 1, config.width) * 0.02)
        self.fixed_positional_encoder = _Positions(config.positions, config.width)
        self.pre_norm = nn.LayerNorm(config.width, eps=1e-6)
        self.blocks = Blocks(Block(config, config.hidden, config.dropout) for _ in range(config.layers))

    @classmethod
    def claim(cls, content: Content) -> dict[str, Any] | None:
        if "band_token" in content.values:
            return dict(content.values)
        for prefix in ("", "model."):
            names = renamed(content, f"{FAIRSEQ}local_encoder.proj.weight", (prefix,))
            if names is not None and banded(content, prefix):
                _require_form(content)
                own = {short(name): value for name, value in names.items()}
                return {"band_token" if name == "extra_tokens" else name: value for name, value in own.items()}
        return None

    @classmethod
    def told(cls, checkpoint: Checkpoint) -> dict[str, Any]:
        tensors, words = checkpoint.tensors, said(Content(checkpoint.path, {}, checkpoint.settings))
        spoken = {
            own: int(words[name]) for own, name in {"band_width": "band_width", "heads": "num_heads"}.items() if name in words
        }
        return spoken | {
            "layers": sum(name.endswith(".mlp.fc1.weight") for name in tensors),
            "width": len(tensors["local_encoder.proj.weight"]),
            "hidden": len(tensors["blocks.0.mlp.fc1.weight"]),
            "positions": tensors["fixed_positional_encoder.positions"].shape[1],
        }

    def features(self, waves: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Normalised log magnitudes and padding of tokens: (batch, frames, bands x band_width), (batch, tokens) or None."""
        waves, lengths = at_least(waves, lengths, WINDOW + (PATCH - 1) * HOP)
        magnitudes = self.spectrogram(centred(waves, lengths))[:, :, : self.bands * self.band_width]
        spectra = ((magnitudes + 1e-10).log() - MEAN) / (2 * DEVIATION)
        heard = spectra.shape[1]
        spectra = F.pad(spectra, (0, 0, 0, max(0, self.at_least - heard)))
        spectra = spectra[:, : len(spectra[0]) // PATCH * PATCH]
        if lengths is None:
            return spectra, None
        frames = (1 + (lengths - WINDOW).div(HOP, rounding_mode="floor"))[:, None]
        time = torch.arange(spectra.shape[1], device=waves.device)
        spectra = spectra.masked_fill((time >= frames)[:, :, None], 0.0)
        columns = frames.clamp_min(self.at_least) // PATCH
        beyond = torch.arange(spectra.shape[1] // PATCH, device=waves.device) >= columns
        return spectra, F.pad(beyond.repeat_interleave(self.layout.bands, dim=1), (self.bands, 0), value=False)

    def embed(self, spectra: Tensor) -> Tensor:
        """Tokens of each band with positions, normalised: -> (batch x bands, 1 + columns x rows, width)."""
        batch, frames, _ = spectra.shape
        bands = spectra.view(batch, frames, self.bands, self.band_width).transpose(1, 2).flatten(0, 1)
        x = self.local_encoder["proj"](bands[:, None]).flatten(2).transpose(1, 2)
        x = x + self.fixed_positional_encoder(x.shape[1], self.rows)
        x = torch.cat([self.band_token.to(x.dtype).expand(len(x), -1, -1), x], dim=1)
        normed: Tensor = self.pre_norm(x)
        return normed

    def hidden_states(self, features: Tensor, padding: Tensor | None = None) -> list[Tensor]:
        return [self._arranged(state) for state in self._run(features, padding, every=True)]

    def forward(self, features: Tensor, padding: Tensor | None = None) -> Tensor:
        """All tokens of the last block, or the class tokens alone where no others are wanted."""
        return self._arranged(self._run(features, padding, every=False)[-1])

    def _run(self, spectra: Tensor, padding: Tensor | None, every: bool) -> list[Tensor]:
        x = self.embed(spectra)
        visible = None if padding is None else ~self.by_layer(padding)[:, None, None, :]
        outputs = 1 if self.outputs is not None and self.outputs <= self.bands else None  # the class token of each band
        return self.blocks.states(x, visible, outputs=outputs, every=every, again=self.checkpointing)

    def by_layer(self, tokens: Tensor) -> Tensor:
        """(batch, bands + columns x bands x rows, ...) -> (batch x bands, 1 + columns x rows, ...)."""
        front, patches = tokens[:, : self.bands, None], tokens[:, self.bands :]
        patches = patches.reshape(len(tokens), -1, self.bands, self.rows, *tokens.shape[2:])
        return torch.cat([front, patches.transpose(1, 2).flatten(2, 3)], dim=2).flatten(0, 1)

    def _arranged(self, x: Tensor) -> Tensor:
        """(batch x bands, 1 + columns x rows, width) -> (batch, bands + columns x bands x rows, width)."""
        x = x.view(-1, self.bands, *x.shape[1:])
        patches = x[:, :, 1:].reshape(len(x), self.bands, -1, self.rows, self.width)
        return torch.cat([x[:, :, 0], patches.transpose(1, 2).flatten(1, 3)], dim=1)


WINDOW, HOP = (FISHER.sample_rate * milliseconds // 1000 for milliseconds in (25, 10))  # samples
BINS = WINDOW // 2 + 1


def _require_form(content: Content) -> None:
    """Raises: AsdzooError when a file is FISHER's, but set otherwise than the published ones."""
    words = said(content)
    modalities = words.get("modalities")
    image = modalities.get("image") if isinstance(modalities, dict) else None
    for form, settings in ((_FORM, words), (_IMAGE_FORM, image if isinstance(image, dict) else {})):
        for key, value in form.items():
            if settings.get(key, value) != value:
                raise AsdzooError(
                    f"{content.path}: its {key} is {settings[key]!r}, the encoder's is {value!r}",
                    "`asdzoo weights list` shows files that are known to work",
                )


class _Positions(nn.Module):
    def __init__(self, count: int, width: int) -> None:
        super().__init__()
        self.register_buffer("positions", positions(-(-count // 50), 50, width)[None, :count])
        self.positions: Tensor  # (1, count, width)

    def forward(self, patches: int, rows: int) -> Tensor:
        if patches > (count := self.positions.shape[1]):
            longest, seconds = (tokens // rows * PATCH / 100 for tokens in (count, patches))
            raise AsdzooError(f"a clip has {seconds:.1f} s, FISHER has positions for {longest:.1f} s", "set input.seconds")
        return self.positions[:, :patches]


ENCODER = FISHER
