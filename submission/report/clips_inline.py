"""A recording as it stands inside a page: a FLAC to play and a log-mel picture to look at."""

import base64
import io
import struct
import zlib
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import soundfile
import torch

from zoo.data.clips import Clip
from zoo.data.decoding import FULL_SCALE
from zoo.data.wavs import read_wav
from zoo.features.log_mel import LogMel

Pixels = npt.NDArray[np.uint8]
_MELS, _SECONDS, _COLUMNS = 96, 0.064, 320
_LEAST = 20.0  # dB from dark to bright: silence is not stretched into a pattern
# A dark-to-light map whose lightness grows evenly: black, violet, red, orange, light yellow.
_ANCHORS = ((2, 2, 12), (52, 14, 92), (130, 32, 110), (205, 62, 84), (246, 128, 56), (252, 200, 90), (255, 252, 210))


@dataclass(frozen=True)
class Inline:
    """A recording as `data:` URLs."""

    picture: str  # PNG, time to the right, mel frequency upwards
    audio: str  # FLAC
    seconds: float
    rate: int  # Hz
    channels: int

    @property
    def size(self) -> int:
        """Bytes in the page."""
        return len(self.picture) + len(self.audio)


def inline(clip: Clip, channel: int = 0) -> Inline | str:
    """One channel of a recording, or a sentence about what is wrong with it."""
    recording = read_wav(clip.path)
    if not recording.usable:
        return next(problem.sentence for problem in recording.problems if problem.severity == "error")
    channel = min(channel, recording.channels - 1)
    samples = np.ascontiguousarray(recording.samples[:, channel])
    flac = io.BytesIO()
    soundfile.write(flac, samples, recording.rate, format="FLAC", subtype="PCM_16")
    return Inline(
        _url("image/png", png(log_mel(samples, recording.rate), _palette())),
        _url("audio/flac", flac.getvalue()),
        recording.seconds,
        recording.rate,
        recording.channels,
    )


def _url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def log_mel(samples: npt.NDArray[np.int16], rate: int) -> Pixels:
    """Pixels (mels, columns), highest frequency first: 0 is the 2nd percentile of the levels, 255 the loudest."""
    wave = torch.from_numpy(samples.astype(np.float32) / FULL_SCALE)
    window = round(_SECONDS * rate)
    hop = max(window // 4, (len(samples) - window) // _COLUMNS)
    with torch.inference_mode():
        decibels = LogMel(window, hop, _MELS, rate)(wave[None])[0].numpy() * (10 / np.log(10))
    darkest, loudest = float(np.percentile(decibels, 2)), float(decibels.max())
    levels = (decibels - darkest) / max(loudest - darkest, _LEAST)
    return np.ascontiguousarray((np.clip(levels, 0, 1) * 255).round().astype(np.uint8).T[::-1])


@cache
def _palette() -> bytes:
    anchors = np.array(_ANCHORS, dtype=np.float64)
    at = np.linspace(0, len(anchors) - 1, 256)
    return (
        np.stack([np.interp(at, range(len(anchors)), channel) for channel in anchors.T], axis=1)
        .round()
        .astype(np.uint8)
        .tobytes()
    )


def png(levels: Pixels, palette: bytes) -> bytes:
    """A PNG of levels (height, width) with a palette of 256 RGB triples. Source: W3C PNG specification, sections 5 and 11."""
    height, width = levels.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), levels], axis=1).tobytes()  # each row begins with filter 0, none
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        (b"PLTE", palette),
        (b"IDAT", zlib.compress(rows, 9)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
