"""Training an adapter: blocks that make a frozen encoder hear a machine through noise, from a second microphone.

A mixture: one training clip as if it were clean sound, at a near microphone in a room, and noise from other places there: clips
of other machines, and what far microphones recorded where there are some. The blocks see the tokens of near and far, and the
loss is the mean squared error of the last layer's tokens against those that the encoder gives the clip alone at the near
microphone.

Room and ratios follow the description of NA-BEATs, DCASE 2026 Task 2 (rooms of 3-8 x 3-8 x 1.5-3 m, 0.1-0.4 s, near at 5 cm,
far at 10-100 cm, four sources of noise, -10..10 dB), whose clean sound is of another corpus. Experimental: what it gives on
real recordings is not measured.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor
from torch.nn import functional as F

from zoo.config import Frozen
from zoo.data.store import WaveformStore
from zoo.data.synth.room import Room, heard
from zoo.data.synth.sources import F32
from zoo.data.views import view_of
from zoo.encoders._base import Encoder
from zoo.errors import AsdzooError
from zoo.layers.reference_attention import ReferenceAttention
from zoo.progress import Progress, unseen

KEPT_BACK = 8  # mixtures of no training step, by which the loss is judged before and after
_ROOMS, _STEP, _JUDGED = 11, 12, 13  # independent streams of one seed


class AdaptConfig(Frozen):
    """How an adapter is trained."""

    steps: PositiveInt = 2000  # open
    batch: PositiveInt = 8  # open
    seconds: PositiveFloat = 4.0  # of a mixture; open
    learning_rate: PositiveFloat = 1e-4  # AdamW
    rooms: PositiveInt = 16  # made before training, since a room takes seconds; open
    noises: PositiveInt = 4  # sources of noise in a room
    snr: tuple[float, float] = (-10.0, 10.0)  # dB at the near microphone, drawn evenly
    seed: int = Field(default=0, ge=0)


@dataclass(frozen=True)
class Adapted:
    """What came of it: the mean loss over the mixtures that were kept back, of the plain encoder and with the blocks."""

    adapter: ReferenceAttention
    before: float
    after: float


class Mixtures:
    """Mixtures of clips of a store, made when they are asked for: each a function of the generator alone."""

    def __init__(self, store: WaveformStore, clips: Sequence[int], config: AdaptConfig, progress: Progress = unseen) -> None:
        machines = np.array([store.clips[clip].machine for clip in clips])
        if len(set(machines)) < 2:
            raise AsdzooError(
                "an adapter needs training clips of two machines: one is the noise of the other", "add recordings"
            )
        self.near, self.clips, self.machines, self.config = store.viewed(view_of("near")), np.array(clips), machines, config
        self.far = _far(store)
        self.samples = round(config.seconds * 16_000)
        rng = np.random.default_rng([config.seed, _ROOMS])
        self.rooms: list[list[tuple[F32, F32]]] = []
        for number in range(config.rooms):
            self.rooms.append(_responses(rng, config.noises))
            progress(number + 1, config.rooms)

    def batch(self, rng: np.random.Generator, count: int) -> tuple[Tensor, Tensor]:
        """Mixtures (count, 2, samples), near and far, and the clean sound at the near microphone (count, samples)."""
        mixed, clean = zip(*(self._one(rng) for _ in range(count)), strict=True)
        return torch.stack(mixed), torch.stack(clean)

    def _one(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        target, *noises = self.rooms[int(rng.integers(len(self.rooms)))]
        own = int(rng.integers(len(self.clips)))
        others = np.flatnonzero(self.machines != self.machines[own])
        wave = self._wave(self.near, int(self.clips[own]), rng)
        sound = np.stack([heard(wave, response) for response in target])
        around = np.zeros_like(sound)
        for responses in noises:
            source = self.near if self.far is None or rng.random() < 0.5 else self.far
            noise = self._wave(source, int(self.clips[rng.choice(others)]), rng)
            around += np.stack([heard(noise, response) for response in responses])
        ratio = 10 ** (-rng.uniform(*self.config.snr) / 20)
        around *= np.float32(ratio * _level(sound[0]) / _level(around[0]))
        mixed = sound + around
        scale = np.float32(0.9 / max(float(np.abs(mixed).max()), 1e-6))
        return torch.from_numpy(mixed * scale), torch.from_numpy(sound[0] * scale)

    def _wave(self, store: WaveformStore, clip: int, rng: np.random.Generator) -> F32:
        spare = max(0, int(store.lengths[clip]) - self.samples)
        start = int(rng.integers(0, spare, endpoint=True))
        wave: F32 = store.batch([clip], samples=self.samples, starts=[start])[0][0].numpy()
        return wave


def adapt(encoder: Encoder, mixtures: Mixtures, device: torch.device, progress: Progress = unseen) -> Adapted:
    """Train blocks for an encoder, which stays as it is. The same seed gives the same blocks."""
    config = mixtures.config
    encoder = encoder.to(device).eval().requires_grad_(False)
    encoder.outputs = None
    torch.manual_seed(config.seed)
    adapter = ReferenceAttention(encoder.layers(), encoder.width).to(device)
    judged = mixtures.batch(np.random.default_rng([config.seed, _JUDGED]), KEPT_BACK)
    before = _judge(encoder, adapter, judged, device)
    optimizer = torch.optim.AdamW(adapter.parameters(), lr=config.learning_rate)
    for step in range(config.steps):
        mixed, clean = mixtures.batch(np.random.default_rng([config.seed, _STEP, step]), config.batch)
        loss = loss_of(encoder, adapter, mixed.to(device), clean.to(device))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        progress(step + 1, config.steps)
    return Adapted(adapter, before, _judge(encoder, adapter, judged, device))


def loss_of(encoder: Encoder, adapter: ReferenceAttention, mixed: Tensor, clean: Tensor) -> Tensor:
    """Mean squared error of the last layer's tokens against those of clean sound."""
    with torch.no_grad():
        wanted = encoder(*encoder.features(clean))
        far = encoder.hidden_states(*encoder.features(mixed[:, 1]))[1:]
    with adapter.between(encoder, far, None):
        found = encoder(*encoder.features(mixed[:, 0]))
    return F.mse_loss(found, wanted)


@torch.no_grad()
def _judge(encoder: Encoder, adapter: ReferenceAttention, judged: tuple[Tensor, Tensor], device: torch.device) -> float:
    return float(loss_of(encoder, adapter, judged[0].to(device), judged[1].to(device)))


def _far(store: WaveformStore) -> WaveformStore | None:
    """The far microphone, where recordings have one."""
    try:
        return store.viewed(view_of("far"))
    except AsdzooError:
        return None


def _responses(rng: np.random.Generator, noises: int) -> list[tuple[F32, F32]]:
    """A room's responses from the machine, then from each source of noise, to the near and the far microphone."""
    size = np.array([rng.uniform(3, 8), rng.uniform(3, 8), rng.uniform(1.5, 3)])
    room = Room((size[0], size[1], size[2]), rng.uniform(0.1, 0.4))
    machine = size / 2 + rng.uniform(-0.2, 0.2, 3)
    near = machine + 0.05 * _direction(rng)
    far = near + rng.uniform(0.1, 1.0) * _direction(rng) * np.array([1.0, 1.0, 0.5])  # the ceiling may be near
    places = [machine, *(rng.uniform(0.2, size - 0.2) for _ in range(noises))]
    return [(room.response(place, near), room.response(place, far)) for place in places]


def _direction(rng: np.random.Generator) -> np.ndarray:
    vector = rng.standard_normal(3)
    return np.asarray(vector / np.linalg.norm(vector))


def _level(wave: F32) -> float:
    return max(float(np.sqrt(np.mean(np.square(wave)))), 1e-8)
