"""What of the recordings reaches a network: which view, at which rate, how much of a clip at a time."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from pydantic import PositiveFloat, field_validator, model_validator
from torch import Tensor

from zoo.config import Frozen
from zoo.data.store import WaveformStore, in_floats
from zoo.data.views import View, view_of
from zoo.data.years import OWN
from zoo.errors import AsdzooError
from zoo.networks import Embedder, InputShape, with_parts
from zoo.training.precision import Precision, arithmetic
from zoo.training.prefetch import one_ahead
from zoo.training.sampling import Indices

MOST_SECONDS = 640  # of sound in one batch: 32 clips of 20 s, longer than those of any year
LONG = 120  # seconds: a longer clip is heard in windows of this length by a system that hears whole clips


class InputConfig(Frozen):
    """What of a recording reaches the network."""

    sample_rate: Literal[16000] = 16000  # Hz, of every year of the challenge
    view: str = "near"  # near, far, channel:N, mean, subtracted or spectral_subtracted; `channel: N` is short for channel:N
    reference: str | None = None  # a second view, for a model that hears two: far, channel:N, ...
    seconds: PositiveFloat | None = None  # shorter clips are repeated, longer ones cropped; null: clips keep their length
    # scoring a longer clip: its first seconds, the mean over windows, or whole: every clip at its own length, and `seconds` are
    # those of training crops; auto: windows of recordings of one's own, and the first seconds of the challenge's
    longer: Literal["auto", "first", "windows", "whole"] = "auto"
    precision: Precision = "fp32"  # of embedding on CUDA; tf32 and bf16 are faster, and change scores in their last digits

    @model_validator(mode="before")
    @classmethod
    def _channel(cls, values: Any) -> Any:
        """`channel: N`, as it was written before there were views."""
        if not isinstance(values, dict) or "channel" not in values:
            return values
        channel, rest = values["channel"], {key: value for key, value in values.items() if key != "channel"}
        if not isinstance(channel, int) or isinstance(channel, bool) or channel < 0:
            raise ValueError(f"channel: {channel!r} is no number of a channel, which count from 0")
        if values.get("view", "near") != "near":
            raise ValueError(f"channel: the input has the view {values['view']!r} already; set input.view=channel:{channel}")
        return {**rest, "view": "near" if channel == 0 else f"channel:{channel}"}

    @field_validator("view", "reference")
    @classmethod
    def _known(cls, text: str | None) -> str | None:
        try:
            view_of(text or "near")
        except AsdzooError as problem:
            raise ValueError(f"{problem.message}; {problem.hint}") from None
        return text


@dataclass(frozen=True)
class Hearing:
    """An `InputConfig` at work."""

    config: InputConfig

    @property
    def view(self) -> View:
        return view_of(self.config.view)

    @property
    def shape(self) -> InputShape:
        """What clips to score look like."""
        samples = None if self.config.longer == "whole" else self.crop
        return InputShape(self.config.sample_rate, samples, 1 if self.config.reference is None else 2)

    @property
    def crop(self) -> int | None:
        """Samples of a training clip; None: all of it."""
        return None if self.config.seconds is None else round(self.config.seconds * self.config.sample_rate)

    def crops(
        self,
        store: WaveformStore,
        indices: Indices,
        samples: int | None,
        generator: np.random.Generator | None,
        stored: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Waves and lengths of clips of the store; a generator crops longer clips at random, none takes their beginning.

        Without `samples` clips are whole, unless they are LONG. Waves are float32, or int16 as they are `stored`.
        """
        heard, starts = store.viewed(self.view), None
        width = self._long if samples is None else samples
        if generator is not None and (samples is not None or (heard.lengths[indices] > width).any()):
            starts = generator.integers(0, np.maximum(heard.lengths[indices] - width, 0), endpoint=True)
        return self._batch(store, indices, samples=samples, starts=starts, most=width, stored=stored)

    @property
    def alone(self) -> "Hearing":
        """The same without its reference."""
        return Hearing(self.config.model_copy(update={"reference": None}))

    def _batch(self, store: WaveformStore, indices: Indices, **cut: Any) -> tuple[Tensor, Tensor]:
        """Waves (batch, samples), or (batch, 2, samples) with a reference, and their lengths."""
        waves, lengths = store.viewed(self.view).batch(indices, **cut)
        if self.config.reference is None:
            return waves, lengths
        try:
            other = store.viewed(view_of(self.config.reference))
        except AsdzooError as problem:
            raise AsdzooError(
                problem.message, "take a system that hears one microphone, or another input.reference"
            ) from problem
        reference, _ = other.batch(indices, **cut)
        return torch.stack([waves, reference], dim=1), lengths

    @property
    def _long(self) -> int:
        return LONG * self.config.sample_rate

    @torch.inference_mode()
    def embed(self, network: Embedder, store: WaveformStore, indices: Indices, batch: int = 32) -> np.ndarray:
        """Embeddings (n, parts, dim), float32, of clips of the store, in order; the mean over a clip's windows."""
        network.eval()
        device = network.device
        batches = self._to_embed(store, indices, batch, device.type == "cuda")
        rows: list[np.ndarray] = []
        pieces = []
        # On a CPU a second thread would only take its turn.
        with closing(one_ahead(batches) if device.type == "cuda" else batches) as coming:
            for waves, lengths, windows in coming:
                waves, lengths = waves.to(device, non_blocking=True), lengths.to(device, non_blocking=True)
                with arithmetic(device, self.config.precision):
                    pieces.append(with_parts(network(in_floats(waves), lengths)).float().cpu().numpy())
                if windows:  # the batch is whole
                    rows.extend(piece.mean(axis=0) for piece in np.split(np.concatenate(pieces), np.cumsum(windows)[:-1]))
                    pieces = []
        return np.stack(rows).astype(np.float32) if rows else np.empty((0, network.parts, network.dim), np.float32)

    def _to_embed(
        self, store: WaveformStore, indices: Indices, batch: int, to_gpu: bool
    ) -> Generator[tuple[Tensor, Tensor, list[int]]]:
        """Waves and lengths of windows; with the last ones of each batch of clips, how many windows each of its clips has.

        What goes to a GPU is int16, as it is stored, in memory that a GPU can copy from while it computes.
        """
        heard = store.viewed(self.view)
        for start in range(0, len(indices), batch):
            windows = [
                list(self._windows(int(heard.lengths[i]), heard.clips[i].year)) for i in indices[start : start + batch].tolist()
            ]
            counts = [len(each) for each in windows]
            clips = np.repeat(indices[start : start + batch], counts)
            starts = np.concatenate(windows)
            for piece in self._pieces(heard.lengths[clips]):
                cut = {"samples": self.shape.samples, "starts": starts[piece], "most": self._long}
                waves, lengths = self._batch(store, clips[piece], **cut, stored=to_gpu)
                if to_gpu:
                    waves, lengths = waves.pin_memory(), lengths.pin_memory()
                yield waves, lengths, counts if piece.stop == len(clips) else []

    def _pieces(self, lengths: Indices) -> Iterator[slice]:
        """Parts of a batch that hold at most MOST_SECONDS of sound each, or one window: lengths of the clips in samples."""
        begin, longest = 0, 0
        for end, length in enumerate(lengths.tolist()):
            window = self.shape.samples or min(length, self._long)
            longest = max(longest, window)
            if end > begin and longest * (end + 1 - begin) > MOST_SECONDS * self.config.sample_rate:
                yield slice(begin, end)
                begin, longest = end, window
        yield slice(begin, len(lengths))

    def _windows(self, length: int, year: str = OWN) -> Iterator[int]:
        """Where the windows of a clip start: side by side, the last one flush with the end."""
        samples = self.shape.samples or self._long
        if length <= samples or self._only_first(year):
            yield 0
            return
        yield from range(0, length - samples, samples)
        yield length - samples

    def _only_first(self, year: str) -> bool:
        """Whether of a clip of that year that is longer than the input only the beginning is scored."""
        first = self.config.longer == "first" or (self.config.longer == "auto" and year != OWN)
        return first and self.shape.samples is not None

    @property
    def prepared_seconds(self) -> float:
        """How much of the beginning of a clip a network hears that prepares each clip once."""
        return self.config.seconds or LONG

    def unheard_when_prepared(self, store: WaveformStore, indices: Indices) -> tuple[int, float]:
        """How many clips a network that prepares each clip once does not hear to the end in training, and their seconds."""
        lengths = store.viewed(self.view).lengths[indices]
        beyond = np.maximum(lengths - round(self.prepared_seconds * self.config.sample_rate), 0)
        return int((beyond > 0).sum()), float(beyond.sum()) / self.config.sample_rate

    def unheard(self, store: WaveformStore, indices: Iterable[int]) -> tuple[int, float]:
        """Of how many of these clips a part is not heard in scoring, and how many seconds that is."""
        samples = self.shape.samples or 0
        cut = [int(store.lengths[index]) - samples for index in indices if self._only_first(store.clips[index].year)]
        cut = [length for length in cut if length > 0]
        return len(cut), sum(cut) / self.config.sample_rate
