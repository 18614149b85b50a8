"""Tensors of a run on disk: safetensors files that know their own checksum, so that a flipped bit is not taken for a number."""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import safetensors.torch
from torch import Tensor

from zoo.files import whole_file

_CHECKSUM = "crc32"  # in the metadata, of the rest of the header and of all tensors; files of 0.1 have none
_HAS_ONE = "checked_by"  # in the metadata: so that a flipped bit in the other key does not make a file look like one of 0.1
MOST_HEADER = 256 * 2**20  # bytes


def write_tensors(path: Path, tensors: Mapping[str, Any], metadata: Mapping[str, str] | None = None) -> None:
    """Write numpy arrays or torch tensors, whole or not at all.

    Python writes the bytes: what the libraries raise when a disk is full does not say so.
    """
    torch = any(isinstance(tensor, Tensor) for tensor in tensors.values())
    save = safetensors.torch.save if torch else safetensors.numpy.save
    content = memoryview(save(dict(tensors), dict(metadata or {})))
    length = int.from_bytes(content[:8], "little")
    header, data = json.loads(bytes(content[8 : 8 + length])), content[8 + length :]
    header["__metadata__"] = {**(metadata or {}), _HAS_ONE: _CHECKSUM}
    header["__metadata__"][_CHECKSUM] = str(_checksum(header, data))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of eight bytes
    with whole_file(path) as aside, aside.open("wb") as file:
        for part in (len(text).to_bytes(8, "little"), text, data):
            file.write(part)


def require_sound(path: Path) -> None:
    """Raises: ValueError when the file is no safetensors file, or is not as it was written."""
    size = path.stat().st_size
    if size < 8:
        raise ValueError("it is empty" if not size else "it is cut off")
    content: Any = np.memmap(path, np.uint8, mode="r")
    length = int.from_bytes(content[:8].tobytes(), "little")
    if length > min(size - 8, MOST_HEADER):
        raise ValueError("it is cut off, or no safetensors file")
    try:
        header = json.loads(content[8 : 8 + length].tobytes())
        metadata = header.get("__metadata__") or {}
        checksum = metadata.pop(_CHECKSUM, None)
    except (ValueError, AttributeError, RecursionError):
        raise ValueError("it is no safetensors file") from None
    if (checksum is not None or _HAS_ONE in metadata) and checksum != str(_checksum(header, content[8 + length :].data)):
        raise ValueError("its checksum is another one: the file was changed, or the disk is failing")


def _checksum(header: Mapping[str, Any], data: memoryview) -> int:
    return zlib.crc32(data, zlib.crc32(json.dumps(header, sort_keys=True).encode()))
