"""How the official files of pretrained encoders are read; which are known and where they are, says `zoo/checkpoints/known.py`.

Formats
    BEATs   torch file {"cfg": ..., "model": ...}; fine-tuned ones have a predictor. OpenBEATs is the same, from ESPnet also a
            bare state dict with the prefix `encoder.`
    EAT     safetensors from Hugging Face, prefix `model.`; or a fairseq torch file, the same weights under longer names

Every tensor of a file is either used or on `IGNORABLE`; anything else, and anything missing or of another shape, is an error
that names it. Torch files are pickles: they are read with `weights_only=True`, and what that refuses is refused.
"""

import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zoo.checkpoints import known as checkpoints
from zoo.checkpoints.known import Kind
from zoo.errors import AsdzooError, listed

# Parts of official files that encoders do not have, by the start of their official name.
IGNORABLE: dict[Kind, tuple[str, ...]] = {
    "beats": (
        "predictor.",  # classifier of fine-tuned files
        "patch_embedding_pad.",  # OpenBEATs: constant kernels that map padding masks
        "raw2fbank_pad.",
        "decoder.",  # OpenBEATs, ESPnet's bare state dicts: what stands beside the encoder
        "classifier.",
    ),
    "eat": (
        "fc_norm.",  # classifier of fine-tuned files
        "head.",
        "modality_encoders.IMAGE.decoder.",  # pretraining
        "_ema",
        "recon_proj.",
        "cls_proj.",
        "center",
    ),
}
_FAIRSEQ = {
    "modality_encoders.IMAGE.context_encoder.norm.": "pre_norm.",
    "modality_encoders.IMAGE.local_encoder.": "local_encoder.",
    "modality_encoders.IMAGE.extra_tokens": "extra_tokens",
    "modality_encoders.IMAGE.fixed_positional_encoder.": "fixed_positional_encoder.",
}
_SHARED_BIAS = re.compile(r"encoder\.layers\.(?!0\.)\d+\.self_attn\.relative_attention_bias\.weight")


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds, under official names."""

    kind: Kind
    tensors: dict[str, Tensor]
    settings: dict[str, Any]  # its own configuration, empty when it has none
    ignored: tuple[str, ...]  # names of what is not used


@dataclass(frozen=True)
class Report:
    """What `asdzoo weights check` says of a file."""

    kind: Kind
    layers: int
    width: int
    parameters: int
    used: int  # tensors
    ignored: tuple[str, ...]  # the parts that are left out
    sha256: str
    name: str | None  # of the known checkpoint that this is


def load(encoder: nn.Module, source: str | None) -> None:
    """Fill an encoder of `zoo.pretrained` from a known checkpoint or a file.

    Raises: AsdzooError when the file is not there, not readable, of another encoder, or does not fit tensor by tensor.
    """
    path = checkpoints.locate(source)
    checkpoint = read(path)
    if checkpoint.kind != encoder.kind:
        raise AsdzooError(f"{path} holds {checkpoint.kind} weights, the system needs {encoder.kind}", "asdzoo weights list")
    fit(encoder, checkpoint, path)
    with torch.no_grad():
        for name, value in encoder.state_dict().items():
            value.copy_(checkpoint.tensors[name])


def check(path: Path) -> Report:
    """Read a file and hold it against an encoder of its own sizes. Raises: AsdzooError as `read` and `fit` do."""
    from zoo import registry

    checkpoint = read(path)
    try:
        with torch.device("meta"):
            encoder = registry.module("model", checkpoint.kind).encoder_for(checkpoint)
    except (KeyError, IndexError, ValueError) as problem:
        raise AsdzooError(f"{path}: {problem} is missing or not of a shape an encoder has", "asdzoo weights list") from problem
    fit(encoder, checkpoint, path)
    digest = checkpoints.sha256(path)
    parts = {start for start in IGNORABLE[checkpoint.kind] for name in checkpoint.ignored if name.startswith(start)}
    return Report(
        checkpoint.kind,
        encoder.layers(),
        encoder.width,
        sum(value.numel() for value in checkpoint.tensors.values()),
        len(checkpoint.tensors),
        tuple(sorted(parts)),
        digest,
        next((name for name, entry in checkpoints.known().items() if entry.sha256 == digest), None),
    )


def fit(encoder: nn.Module, checkpoint: Checkpoint, path: Path) -> None:
    """Raises: AsdzooError that names what of a checkpoint is missing, unknown, misshapen or set otherwise."""
    hint = f"asdzoo weights check {path}"
    settings: dict[str, object] = encoder.settings()  # type: ignore[operator]
    for key, value in settings.items():
        if checkpoint.settings.get(key, value) != value:
            raise AsdzooError(f"{path}: its {key} is {checkpoint.settings[key]!r}, the encoder's is {value!r}", hint)
    own = encoder.state_dict()
    if missing := [name for name in own if name not in checkpoint.tensors]:
        raise AsdzooError(f"{path}: {listed(missing)} missing", hint)
    if unknown := [name for name in checkpoint.tensors if name not in own]:
        raise AsdzooError(f"{path}: {listed(unknown)} not known to the encoder", hint)
    for name, value in own.items():
        if (shape := checkpoint.tensors[name].shape) != value.shape:
            raise AsdzooError(f"{path}: {name} has shape {tuple(shape)}, the encoder's is {tuple(value.shape)}", hint)


def read(path: Path) -> Checkpoint:
    """An official file, whatever its format. Raises: AsdzooError when it is none."""
    content = _unpickled(path) if _is_torch(path) else _safetensors(path)
    settings: Any = {}
    if isinstance(content.get("model"), Mapping):
        settings, content = content.get("cfg"), content["model"]
    names = {str(name): value for name, value in content.items()}
    kind, names = _official(names, path)
    ignored = tuple(name for name in names if name.startswith(IGNORABLE[kind]))
    tensors: dict[str, Tensor] = {}
    for name, value in names.items():
        if name in ignored:
            continue
        if not isinstance(value, Tensor):
            raise AsdzooError(f"{path}: {name} is no tensor", "asdzoo weights list shows files that are known to work")
        if _SHARED_BIAS.fullmatch(name):  # one table, stored with every layer
            first = names.get("encoder.layers.0.self_attn.relative_attention_bias.weight")
            if not isinstance(first, Tensor) or not torch.equal(first, value):
                raise AsdzooError(f"{path}: {name} is not the first layer's", "only networks with one shared table are known")
            continue
        tensors[name] = value
    return Checkpoint(kind, tensors, dict(settings) if isinstance(settings, Mapping) else {}, ignored)


def _official(names: dict[str, Any], path: Path) -> tuple[Kind, dict[str, Any]]:
    """The encoder a state dict belongs to, and the state dict under the encoder's names."""
    for kind, mark, prefixes in (
        ("beats", "patch_embedding.weight", ("", "encoder.")),
        ("eat", "local_encoder.proj.weight", ("", "model.")),
        ("eat", "modality_encoders.IMAGE.local_encoder.proj.weight", ("", "model.")),
    ):
        for prefix in prefixes:
            if prefix + mark in names:
                return kind, {_renamed(name, prefix): value for name, value in names.items()}  # type: ignore[return-value]
    raise AsdzooError(
        f"{path} holds neither BEATs nor EAT weights (it begins with {listed(list(names)) or 'nothing'})",
        "asdzoo weights list shows files that are known to work",
    )


def _renamed(name: str, prefix: str) -> str:
    name = name.removeprefix(prefix)
    for long, short in _FAIRSEQ.items():
        if name.startswith(long):
            return short + name.removeprefix(long)
    return name


def _is_torch(path: Path) -> bool:
    with path.open("rb") as stream:
        start = stream.read(4)
    return start == b"PK\x03\x04" or start[:1] == b"\x80"  # zip, or a bare pickle


def _unpickled(path: Path) -> Mapping[str, Any]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as problem:
        refused = re.search(r"GLOBAL ([\w.]+)", str(problem))
        what = f"it asks for {refused[1]}" if refused else "it holds more than tensors and plain values"
        raise AsdzooError(
            f"{path} is refused: {what}, and pickles from outside are not trusted to run code",
            "take the safetensors file of the same weights (`asdzoo weights list`), or one with tensors alone",
        ) from problem
    except Exception as problem:  # torch raises what it meets: RuntimeError, EOFError, OSError, ...
        raise AsdzooError(
            f"{path} is no torch checkpoint, or truncated or damaged", "`asdzoo weights list` shows what works"
        ) from problem
    if not isinstance(content, Mapping):
        raise AsdzooError(f"{path} holds a {type(content).__name__}, not named tensors", "asdzoo weights list")
    return content


def _safetensors(path: Path) -> Mapping[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors: Mapping[str, Any] = load_file(path)
    except SafetensorError as problem:
        what = "truncated or damaged" if path.suffix == ".safetensors" else "neither a torch nor a safetensors file, or damaged"
        raise AsdzooError(f"{path} is {what}", "fetch it again: `asdzoo weights list`") from problem
    return tensors
