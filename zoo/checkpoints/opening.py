"""Files of named tensors are opened, whatever their format, and nothing that a file says is run.

Torch files are pickles: they are read with `weights_only=True`. Beside tensors and plain values an allow-list lets through what
fairseq puts into its files, `argparse.Namespace` and numbers of numpy; everything else is refused.
"""

import argparse
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zoo.errors import AsdzooError

_LFS = b"version https://git-lfs.github.com/spec/"
_HTML = (b"<!doctype html", b"<html")
_DTYPES = [type(np.dtype(kind)) for kind in ("bool", "int32", "int64", "float16", "float32", "float64")]


def opened(path: Path) -> Mapping[str, Any]:
    """What a torch or safetensors file holds under names. Raises: AsdzooError that says what the file is instead."""
    with path.open("rb") as stream:
        start = stream.read(1024)
    if start.startswith(_LFS):
        raise AsdzooError(
            f"{path} is a git-lfs pointer of {path.stat().st_size} bytes, not the file that it points to",
            "run `git lfs pull` in the clone it comes from, or `asdzoo weights fetch NAME`",
        )
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_HTML):
        raise AsdzooError(
            f"{path} is a web page, not a checkpoint: the download gave a page in its place",
            "open the link in a browser to see what it says, or `asdzoo weights fetch NAME`",
        )
    pickled = start[:4] == b"PK\x03\x04" or start[:1] == b"\x80"  # zip, or a bare pickle
    return _unpickled(path) if pickled else _safetensors(path)


def _allowed() -> list[Any]:
    """What fairseq's files hold beside tensors; none of it runs code. Files written before numpy 2 name numpy.core."""
    scalar = np._core.multiarray.scalar  # type: ignore[attr-defined]
    named = [(scalar, f"numpy.{room}.multiarray.scalar") for room in ("core", "_core")]
    return [argparse.Namespace, np.dtype, *_DTYPES, *named]


def _unpickled(path: Path) -> Mapping[str, Any]:
    try:
        with torch.serialization.safe_globals(_allowed()):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as problem:
        raise _refused(path, re.search(r"GLOBAL ([\w.]+)", str(problem))) from problem
    except Exception as problem:  # torch raises what it meets: RuntimeError, EOFError, OSError, ...
        raise AsdzooError(
            f"{path} is no torch checkpoint, or truncated or damaged", "`asdzoo weights list` shows what works"
        ) from problem
    if not isinstance(content, Mapping):
        raise AsdzooError(f"{path} holds a {type(content).__name__}, not named tensors", "asdzoo weights list")
    return content


def _refused(path: Path, found: re.Match[str] | None) -> AsdzooError:
    what = f"it asks for {found[1]}" if found else "it holds more than tensors and plain values"
    message = f"{path} is refused: {what}, and pickles from outside are not trusted to run code"
    if found and found[1].startswith("omegaconf."):
        return AsdzooError(
            message,
            "if you trust the file, convert it where omegaconf is installed, with these three lines of Python:\n"
            "    import torch\n"
            f'    content = torch.load("{path}", map_location="cpu", weights_only=False)\n'
            f'    torch.save({{"model": content["model"]}}, "{path.with_suffix(".plain.pt")}")',
        )
    return AsdzooError(
        message, "take the safetensors file of the same weights (`asdzoo weights list`), or one with tensors alone"
    )


def _safetensors(path: Path) -> Mapping[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors: Mapping[str, Any] = load_file(path)
    except SafetensorError as problem:
        what = "truncated or damaged" if path.suffix == ".safetensors" else "neither a torch nor a safetensors file, or damaged"
        raise AsdzooError(f"{path} is {what}", "fetch it again: `asdzoo weights list`") from problem
    return tensors
