"""What decoding a wav would find, from its header and one block, where these leave no doubt; else nothing, and it is decoded.

Beyond doubt is: integers of 16, 24 or 32 bits, a header whose lengths are true to the byte, and a middle block in which every
channel changes, so that none of them is silent or constant. Floats can hold NaN anywhere, and a compressed file can break off.

Source: Microsoft/IBM RIFF 1.0; Microsoft, WAVE_FORMAT_EXTENSIBLE.
"""

import struct
from typing import Any, BinaryIO

import numpy as np

from zoo.data.containers import Look, look
from zoo.data.decoding import LONGEST, MOST_CHANNELS, RATES

BLOCK = 4096  # bytes
_PCM = 1
_EXTENSIBLE = 0xFFFE
_PCM_GUID = bytes.fromhex("0100000000001000800000aa00389b71")
_HARMLESS = (b"LIST", b"fact", b"JUNK", b"junk", b"bext", b"PAD ", b"FLLR")  # chunks before the sound that change nothing


def facts_of_header(file: BinaryIO, size: int, first: bytes, at: int, block: bytes) -> list[Any] | None:
    """[frames, rate (Hz), channels, [], []] as `zoo.data.facts` writes them, with neither dead channels nor problems.

    size: of the file, bytes. first: its first bytes. block: the bytes from `at` on, somewhere in the middle.
    """
    try:
        found = _header(size, first)
    except struct.error:  # the header is longer than a block, or the file shorter than a header
        return None
    if found is None:
        return None
    rate, channels, width, begin, length = found
    align = channels * width
    frames = length // align
    if not (RATES[0] <= rate <= RATES[1] and frames * 2 >= rate / 1000 and frames / rate <= LONGEST):
        return None
    if at < begin:
        block, at = first[begin:], begin
    skip = -(at - begin) % align
    if not _changes(block[skip : begin + length - at], channels, width):
        return None
    if begin + length + length % 2 != size:  # something follows, which may be a chunk or not
        file.seek(0)
        if look(file) != Look():
            return None
    return [frames, rate, channels, [], []]


def _header(size: int, first: bytes) -> tuple[int, int, int, int, int] | None:
    """Rate, channels, bytes of a sample, where the sound begins and its bytes; None: not beyond doubt."""
    if first[:4] != b"RIFF" or first[8:12] != b"WAVE" or struct.unpack_from("<I", first, 4)[0] not in (size - 8, size - 9):
        return None
    position, form = 12, None
    while True:
        name, length = struct.unpack_from("<4sI", first, position)
        begin = position + 8
        if name == b"data":
            break
        if name == b"fmt " and form is None:
            kind, channels, rate, _, align, bits = form = struct.unpack_from("<HHIIHH", first, begin)
            if kind == _EXTENSIBLE and length >= 40:
                valid, guid = struct.unpack_from("<H", first, begin + 18)[0], first[begin + 24 : begin + 40]
                kind = _PCM if valid == bits and guid == _PCM_GUID else 0
            if kind != _PCM or bits not in (16, 24, 32) or not 1 <= channels <= MOST_CHANNELS or align != channels * bits // 8:
                return None
        elif name not in _HARMLESS:
            return None
        position = begin + length + length % 2
    if form is None or not 0 < length <= size - begin or length % align:
        return None
    return rate, channels, bits // 8, begin, length


def _changes(block: bytes, channels: int, width: int) -> bool:
    """Whether every channel changes by more than rounding to 16 bits could take away."""
    frames = len(block) // (channels * width)
    if frames < 2:
        return False
    values = np.frombuffer(block, np.uint8, frames * channels * width)
    top = values.reshape(frames, channels, width)[:, :, -2:].copy().view("<i2")[:, :, 0] if width > 2 else values.view("<i2")
    levels = top.reshape(frames, channels)
    if width == 2:
        return bool((levels != levels[0]).any(axis=0).all())
    return bool((levels.max(axis=0).astype(np.int32) - levels.min(axis=0) >= 2).all())
