"""What an official file holds, and how an encoder of its sizes is filled from it; nothing here knows any encoder.

Each encoder says itself by which marks its files are known (`Loadable.claim`), what of them it ignores, and what sizes they
tell. Every tensor of a file is either used or ignorable; anything else, and anything missing or of another shape, is an error
that names it.
"""

import json
from abc import ABC, abstractmethod
from argparse import Namespace
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

from zoo import registry
from zoo.checkpoints import known as checkpoints
from zoo.checkpoints.opening import opened
from zoo.config import Frozen, parse
from zoo.errors import AsdzooError, listed
from zoo.files import sha256

_LIST = "`asdzoo weights list` shows files that are known to work"


@dataclass(frozen=True)
class Content:
    """What a file holds, under the names that stand in it."""

    path: Path
    values: Mapping[str, Any]
    settings: Mapping[str, Any]  # its own configuration, empty when it has none


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds for one encoder, under the encoder's names."""

    path: Path
    tensors: dict[str, Tensor]
    settings: Mapping[str, Any]
    ignored: tuple[str, ...]  # names of what is not used


class Loadable(nn.Module, ABC):
    """A network that is filled from official files: what it has to say about them."""

    sizes: ClassVar[type[Frozen]]  # what `__init__` takes
    ignorable: ClassVar[tuple[str, ...]] = ()  # parts of official files that it does not have, by the start of their name
    must_tell: ClassVar[Mapping[str, str]] = {}  # fields of sizes that no tensor tells, and the file beside that does
    told_beside: Mapping[str, Any] = {}  # those fields, as the files beside the checkpoint or the system said; set by `filled`

    @classmethod
    @abstractmethod
    def claim(cls, content: Content) -> dict[str, Any] | None:
        """The values of a file under its own names, if the file is one of its files; of these names every file has one.

        Its own state dict is always one of its files. Raises: AsdzooError when it is, but of a form that it cannot take.
        """

    @classmethod
    @abstractmethod
    def told(cls, checkpoint: Checkpoint) -> dict[str, Any]:
        """The fields of `sizes` that a file tells.

        Raises: KeyError, IndexError, ValueError when a tensor that tells is missing or of another rank.
        """

    def settings(self) -> dict[str, object]:
        """What a file's own configuration has to say beyond the shapes of its tensors, where it says anything."""
        return {}


Kind = TypeVar("Kind", bound=Loadable)


@dataclass(frozen=True)
class Report:
    """What `asdzoo weights check` says of a file."""

    encoder: str
    others: tuple[str, ...]  # encoders whose marks it bears as well
    sizes: dict[str, Any]  # as the file tells them
    parameters: int
    used: int  # tensors
    ignored: tuple[str, ...]  # the parts that are left out
    sha256: str
    name: str | None  # of the known checkpoint that this is


def filled(kind: type[Kind], name: str, source: str | None, given: Mapping[str, Any]) -> Kind:
    """The encoder `name`, of the sizes that a known checkpoint or a file tells, filled from it.

    `given` are fields of its sizes; what the file does not tell is taken from them, then from the defaults.
    Raises: AsdzooError when the file is not there, not readable, of another encoder, contradicts `given`, or does not fit.
    """
    path = checkpoints.locate(source)
    content = read(path)
    checkpoint = held(kind, content)
    if checkpoint is None:
        others = [other for other, _ in _claimants(content)]
        if not others:
            raise _unknown(content)
        raise AsdzooError(
            f"{path} holds {' or '.join(others)} weights, the system needs {name}",
            f"asdzoo weights list; a file of {name} in model.weights, or --set model.encoder={others[0]}",
        )
    sizes = _told(kind, checkpoint)
    for key, value in given.items():
        if key in sizes and sizes[key] != value:
            raise AsdzooError(
                f"{path} has {key} {sizes[key]}, model.sizes.{key} is {value}",
                "leave sizes to the file: --set model.sizes={}",
            )
    for field, file in kind.must_tell.items():
        if field not in {**given, **sizes}:
            raise AsdzooError(
                f"{path}: no tensor tells {field}, and no {file} beside it does",
                f"put the {file} of its repository there, or say model.sizes.{field}",
            )
    encoder = _build(kind, {**given, **sizes}, path)
    encoder.told_beside = {field: {**given, **sizes}[field] for field in kind.must_tell}
    fit(encoder, checkpoint)
    with torch.no_grad():
        for own, value in encoder.state_dict().items():
            value.copy_(checkpoint.tensors[own])
    return encoder


def check(path: Path) -> Report:
    """Read a file and hold it against an encoder of its own sizes. Raises: AsdzooError as `read` and `fit` do."""
    content = read(path)
    claimants = _claimants(content)
    if not claimants:
        raise _unknown(content)
    (name, kind), *others = claimants
    checkpoint = held(kind, content)
    assert checkpoint is not None
    sizes = _told(kind, checkpoint)
    with torch.device("meta"):
        fit(_build(kind, sizes, path), checkpoint)
    digest = sha256(path)
    parts = {start for start in kind.ignorable for ignored in checkpoint.ignored if ignored.startswith(start)}
    return Report(
        name,
        tuple(other for other, _ in others),
        sizes,
        sum(value.numel() for value in checkpoint.tensors.values()),
        len(checkpoint.tensors),
        tuple(sorted(parts)),
        digest,
        next((known for known in checkpoints.known() if digest in checkpoints.expected(known).values()), None),
    )


def fit(encoder: Loadable, checkpoint: Checkpoint) -> None:
    """Raises: AsdzooError that names what of a checkpoint is missing, unknown, misshapen or set otherwise."""
    path = checkpoint.path
    for key, value in encoder.settings().items():
        if checkpoint.settings.get(key, value) != value:
            raise AsdzooError(f"{path}: its {key} is {checkpoint.settings[key]!r}, the encoder's is {value!r}", _LIST)
    own = encoder.state_dict()
    if missing := [name for name in own if name not in checkpoint.tensors]:
        raise AsdzooError(f"{path}: {listed(missing)} missing", _LIST)
    if unknown := [name for name in checkpoint.tensors if name not in own]:
        raise AsdzooError(f"{path}: {listed(unknown)} not known to the encoder", _LIST)
    for name, value in own.items():
        if (shape := checkpoint.tensors[name].shape) != value.shape:
            raise AsdzooError(f"{path}: {name} has shape {tuple(shape)}, the encoder's is {tuple(value.shape)}", _LIST)


def read(path: Path) -> Content:
    """An official file, whatever its format. Raises: AsdzooError when it is none."""
    values = opened(path)
    settings: Any = {}
    if isinstance(values.get("model"), Mapping):
        settings = values.get("cfg") or values.get("args")  # fairseq's newer and older name
        settings = vars(settings) if isinstance(settings, Namespace) else settings
        values = values["model"]
    named = {str(name): value for name, value in values.items()}
    return Content(path, named, settings if isinstance(settings, Mapping) else {})


def beside(path: Path, name: str) -> dict[str, Any]:
    """The JSON file `name` in the folder of a checkpoint, as Hugging Face has config.json there; empty when there is none.

    Raises: AsdzooError when it is not readable.
    """
    file = path.parent / name
    if not file.is_file():
        return {}
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise AsdzooError(f"{file} is not readable JSON: {problem}", "fetch it again, or take it away") from problem
    return found


def renamed(content: Content, mark: str, prefixes: Iterable[str]) -> dict[str, Any] | None:
    """The values of a file without the prefix under which it has a tensor called `mark`; None when it has none."""
    for prefix in prefixes:
        if prefix + mark in content.values:
            return {name.removeprefix(prefix): value for name, value in content.values.items()}
    return None


def held(kind: type[Loadable], content: Content) -> Checkpoint | None:
    """What a file holds for one encoder; None when it is no file of its. Raises: AsdzooError for what is no tensor."""
    names = kind.claim(content)
    if names is None:
        return None
    ignored = tuple(name for name in names if name.startswith(kind.ignorable))
    tensors = {name: value for name, value in names.items() if name not in ignored}
    for name, value in tensors.items():
        if not isinstance(value, Tensor):
            raise AsdzooError(f"{content.path}: {name} is no tensor", _LIST)
    return Checkpoint(content.path, tensors, content.settings, ignored)


def _claimants(content: Content) -> list[tuple[str, type[Loadable]]]:
    """The encoders whose marks a file bears."""
    found = []
    for name in registry.names("encoder"):
        try:
            kind: type[Loadable] = registry.module("encoder", name).ENCODER
        except AsdzooError:
            continue  # a plugin that cannot be used, which `asdzoo list` warns of
        if kind.claim(content) is not None:
            found.append((name, kind))
    return found


def _unknown(content: Content) -> AsdzooError:
    begins = listed(list(content.values)) or "nothing"
    names = listed(registry.names("encoder"), 20)
    return AsdzooError(f"{content.path} holds weights of no known encoder ({names}): it begins with {begins}", _LIST)


def _told(kind: type[Loadable], checkpoint: Checkpoint) -> dict[str, Any]:
    try:
        return kind.told(checkpoint)
    except (KeyError, IndexError, ValueError) as problem:
        raise AsdzooError(
            f"{checkpoint.path}: {problem} is missing or not of a shape an encoder has", "asdzoo weights list"
        ) from problem


def _build(kind: type[Kind], sizes: Mapping[str, Any], path: Path) -> Kind:
    config = parse(kind.sizes, sizes, str(path))
    try:
        return kind(config)
    except ValueError as problem:  # of a library that the encoder is built with
        raise AsdzooError(
            f"{path}: no encoder can be built of its sizes: {problem}", "say what it does not tell in model.sizes"
        ) from problem
