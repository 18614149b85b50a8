"""Checkpoints of pretrained encoders: which are known, where they are, and how official files are read.

Formats
    BEATs   torch file {"cfg": ..., "model": ...}; fine-tuned ones have a predictor. OpenBEATs is the same, from ESPnet also a
            bare state dict with the prefix `encoder.`
    EAT     safetensors from Hugging Face, prefix `model.`; or a fairseq torch file, the same weights under longer names

Every tensor of a file is either used or on `IGNORABLE`; anything else, and anything missing or of another shape, is an error
that names it. Torch files are pickles: they are read with `weights_only=True`, and what that refuses is refused.
"""

import hashlib
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from zoo.config import Frozen, load_yaml, parse, shipped_configs
from zoo.errors import AsdzooError, unknown_name

Kind = Literal["beats", "eat"]

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


class Known(Frozen):
    """A checkpoint that `asdzoo weights fetch` knows; the table is `configs/checkpoints.yaml`."""

    encoder: Kind
    file: str
    repository: str  # on Hugging Face
    repository_type: Literal["model", "dataset"] = "model"
    revision: str = "main"
    size: PositiveInt | None = None  # bytes; None: not known here
    sha256: str | None = None
    licence: str
    note: str = ""

    @property
    def shown_size(self) -> str:
        """Size for people."""
        return f"{self.size / 1e6:.0f} MB" if self.size else "size unknown"


class _Table(Frozen):
    checkpoints: dict[str, Known]


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


@cache
def known() -> dict[str, Known]:
    """All known checkpoints by name."""
    path = shipped_configs() / "checkpoints.yaml"
    return parse(_Table, load_yaml(path), str(path)).checkpoints


def cached(name: str) -> Path | None:
    """Where a known checkpoint lies in the user's Hugging Face cache, or None. Raises: AsdzooError for an unknown name."""
    from huggingface_hub import try_to_load_from_cache

    entry = _known(name)
    found = try_to_load_from_cache(entry.repository, entry.file, revision=entry.revision, repo_type=entry.repository_type)
    return Path(found) if isinstance(found, str) else None


def fetch(name: str) -> Path:
    """Download a known checkpoint (going on where an earlier download stopped), verify it and give its path.

    Raises: AsdzooError when the name is unknown, the download fails, or size or SHA-256 are not the known ones.
    """
    from huggingface_hub import hf_hub_download

    entry = _known(name)
    try:
        path = Path(hf_hub_download(entry.repository, entry.file, revision=entry.revision, repo_type=entry.repository_type))
    except Exception as problem:  # huggingface_hub's errors have no common base, and its HTTP library changes
        reason = " ".join(str(problem).split())[:300] or type(problem).__name__
        raise AsdzooError(
            f"cannot fetch {name} from {entry.repository}: {reason}",
            f"get {entry.file} some other way and give its path in model.weights; `asdzoo weights check FILE` verifies it",
        ) from problem
    try:
        verify(name, path)
    except AsdzooError:
        path.resolve().unlink()
        path.unlink(missing_ok=True)
        raise
    return path


def verify(name: str, path: Path) -> None:
    """Raises: AsdzooError when size or SHA-256 of a file are not those of the known checkpoint."""
    entry = _known(name)
    if entry.size is not None and path.stat().st_size != entry.size:
        raise AsdzooError(f"{path} has {path.stat().st_size} bytes, {name} has {entry.size}", f"asdzoo weights fetch {name}")
    if entry.sha256 is not None and sha256(path) != entry.sha256:
        raise AsdzooError(f"{path} has another SHA-256 than {name}", f"asdzoo weights fetch {name}")


def sha256(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def locate(source: str | None) -> Path:
    """The file that `model.weights` means: a known name or a path. Raises: AsdzooError that says how to get it."""
    if source is None:
        raise AsdzooError("the system needs pretrained weights, and model.weights names none", "asdzoo weights list")
    if source in known():
        entry = known()[source]
        path = cached(source)
        if path is None:
            raise AsdzooError(
                f"the pretrained weights {source} are not here ({entry.shown_size}, licence {entry.licence})",
                f"asdzoo weights fetch {source}; or --set model.weights=FILE; or, for a dry run, --set model.init=random",
            )
        verify(source, path)
        return path
    path = Path(source).expanduser()
    if not path.is_file():
        if path.suffix or len(path.parts) > 1:
            raise AsdzooError(f"no file {path}", "asdzoo weights list")
        raise unknown_name("checkpoint", source, known(), "asdzoo weights list shows them; or give the path of a file")
    return path


def load(encoder: nn.Module, source: str | None) -> None:
    """Fill an encoder of `zoo.pretrained` from a known checkpoint or a file.

    Raises: AsdzooError when the file is not there, not readable, of another encoder, or does not fit tensor by tensor.
    """
    path = locate(source)
    checkpoint = read(path)
    if checkpoint.kind != encoder.kind:
        raise AsdzooError(f"{path} holds {checkpoint.kind} weights, the system needs {encoder.kind}", "asdzoo weights list")
    fit(encoder, checkpoint, path)
    with torch.no_grad():
        for name, value in encoder.state_dict().items():
            value.copy_(checkpoint.tensors[name])


def check(path: Path) -> Report:
    """Read a file and hold it against an encoder of its own sizes. Raises: AsdzooError as `read` and `fit` do."""
    from zoo.models import model_module

    checkpoint = read(path)
    try:
        with torch.device("meta"):
            encoder = model_module(checkpoint.kind).encoder_for(checkpoint)
    except (KeyError, IndexError, ValueError) as problem:
        raise AsdzooError(f"{path}: {problem} is missing or not of a shape an encoder has", "asdzoo weights list") from problem
    fit(encoder, checkpoint, path)
    digest = sha256(path)
    parts = {start for start in IGNORABLE[checkpoint.kind] for name in checkpoint.ignored if name.startswith(start)}
    return Report(
        checkpoint.kind,
        encoder.layers(),
        encoder.width,
        sum(value.numel() for value in checkpoint.tensors.values()),
        len(checkpoint.tensors),
        tuple(sorted(parts)),
        digest,
        next((name for name, entry in known().items() if entry.sha256 == digest), None),
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
        raise AsdzooError(f"{path}: {_listed(missing)} missing", hint)
    if unknown := [name for name in checkpoint.tensors if name not in own]:
        raise AsdzooError(f"{path}: {_listed(unknown)} not known to the encoder", hint)
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
        f"{path} holds neither BEATs nor EAT weights (it begins with {_listed(list(names)) or 'nothing'})",
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


def _known(name: str) -> Known:
    if name not in known():
        raise unknown_name("checkpoint", name, known())
    return known()[name]


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
