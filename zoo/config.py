"""YAML -> typed, frozen configs that refuse what they do not know.

`Frozen` is the base of every config block. `load_yaml`, `override` and `parse` turn a file and `--set key=value` into one, and
every mistake into a sentence with the file, the key and the nearest known key.

A config may build on another: `base: NAME` takes that system or ablation and changes what the file says otherwise. Files in
`configs/ablations/` are such. Blocks are merged key by key, everything else is replaced; a base may have a base.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import reduce
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from zoo.errors import AsdzooError, unknown_name
from zoo.yaml_reading import MOST_BYTES, YamlError, read_yaml


class Frozen(BaseModel):
    """A config block. A field is documented by the comment beside it; defaults live there and nowhere else."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Config = TypeVar("Config", bound=Frozen)
NOT_INHERITED = ("published",)  # blocks that a config does not take from its base: they are of that one's settings


def shipped_configs() -> Path:
    """The folder `configs/`: inside the installed package, or at the top of a checkout."""
    installed = Path(__file__).parent / "_configs"
    return installed if installed.is_dir() else Path(__file__).parent.parent / "configs"


def load_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file. Raises: AsdzooError when it is absent, malformed, too much to be a config, or no mapping."""
    try:
        if path.exists() and not path.is_file():  # a folder, or a pipe that would be waited for
            raise AsdzooError(f"{path} is no file", "name a YAML file")
        with path.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise AsdzooError(f"no file {path}", "`asdzoo list` shows what is shipped") from None
    except OSError as problem:
        raise AsdzooError(f"{path} cannot be read: {problem.strerror}", "check its permissions") from problem
    if len(content) > MOST_BYTES:
        raise AsdzooError(f"{path} is larger than {MOST_BYTES >> 20} MiB, too much for a config", "name another file")
    try:
        document = read_yaml(content.decode("utf-8-sig"))
        for twice in document.repeated:
            raise twice
    except UnicodeDecodeError:
        raise AsdzooError(f"{path} is no UTF-8 text", "save it as UTF-8") from None
    except YamlError as problem:
        where = f", line {problem.line}" if problem.line is not None else ""
        raise AsdzooError(f"{path}{where}: {problem.message}", problem.hint) from None
    if not isinstance(document.value, dict):
        raise AsdzooError(f"{path} holds no mapping of keys to values", "see configs/ for examples")
    return document.value


def override(values: Mapping[str, Any], settings: Iterable[str]) -> dict[str, Any]:
    """`values` with each `dotted.key=value` of `--set` put in; values are read as YAML.

    >>> override({"training": {"steps": 10}}, ["training.steps=20", "model.heads=[4, 4]"])
    {'training': {'steps': 20}, 'model': {'heads': [4, 4]}}
    """
    result = _copied(values)
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not key or not equals:
            raise AsdzooError(f"--set {setting} is not KEY=VALUE", "for example --set training.steps=100")
        *parents, last = key.split(".")
        block = result
        for parent in parents:
            block = block.setdefault(parent, {})
            if not isinstance(block, dict):
                raise AsdzooError(f"--set {setting}: {parent} is a value, not a block of keys", f"--set {parent}=VALUE sets it")
        try:
            document = read_yaml(text)
            for twice in document.repeated:
                raise twice
        except YamlError as problem:
            raise AsdzooError(
                f"--set {setting}: {text!r} is not a YAML value: {problem.message}", "quote it, or see configs/systems/"
            ) from None
        block[last] = document.value
    return result


def _copied(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copied(value) if isinstance(value, Mapping) else value for key, value in values.items()}


def parse(kind: type[Config], values: Mapping[str, Any], origin: str) -> Config:
    """`values` as a `kind`. Raises: AsdzooError that names `origin`, the key, and the nearest known key."""
    try:
        return kind.model_validate(values)
    except AsdzooError as problem:  # of a block that another module reads
        raise AsdzooError(f"{origin}: {problem.message}", problem.hint) from None
    except ValidationError as problem:
        # a misspelt key is often the missing one: it is named first
        first, *others = sorted(problem.errors(), key=lambda error: error["type"] != "extra_forbidden")
        more = f" (and {len(others)} more)" if others else ""
        key = ".".join(str(part) for part in first["loc"]) or "the whole"
        if first["type"] == "extra_forbidden":
            known = _known_keys(kind, first["loc"][:-1])
            nearest = get_close_matches(str(first["loc"][-1]), known, n=1, cutoff=0.4)
            guess = f"did you mean {nearest[0]}? " if nearest else ""
            raise AsdzooError(f"{origin}: unknown key {key}{more}", f"{guess}known here: {', '.join(known)}") from problem
        if first["type"] == "missing":
            raise AsdzooError(f"{origin}: {key} is missing{more}", f"add `{first['loc'][-1]}:` to it") from problem
        reason = first["msg"].removeprefix("Value error, ")
        raise AsdzooError(
            f"{origin}: {key}: {reason[0].lower()}{reason[1:]}{more}", f"it is {_short(first['input'])} now"
        ) from problem


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."


def _known_keys(kind: type[BaseModel], location: Iterable[int | str]) -> list[str]:
    """Field names of the block that `location` leads to, as far as plain nesting goes."""
    for part in location:
        field = kind.model_fields.get(str(part))
        candidates = [field.annotation, *getattr(field.annotation, "__args__", ())] if field else []
        blocks = [block for block in candidates if isinstance(block, type) and issubclass(block, BaseModel)]
        if not blocks:
            continue
        kind = blocks[0]
    return [field.alias or name for name, field in kind.model_fields.items()]


def ablation_paths() -> dict[str, Path]:
    """The shipped ablations by name."""
    return {path.stem: path for path in sorted((shipped_configs() / "ablations").glob("*.yaml"))}


def load_inherited(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file with its bases merged in; without `base` simply what it holds.

    Raises: AsdzooError when a file is absent or malformed, a base is unknown, or bases go round in a circle.
    """
    chain, layers = [path], [load_yaml(path)]
    while (name := layers[-1].pop("base", None)) is not None:
        bases = {found.stem: found for found in sorted((shipped_configs() / "systems").glob("*.yaml"))} | ablation_paths()
        if name not in bases:
            raise unknown_name("base", str(name), bases)
        if bases[name] in chain:
            raise AsdzooError(f"{path}: its bases go round in a circle, back to {name}", "let one of them have no base")
        chain.append(bases[name])
        layers.append({key: value for key, value in load_yaml(bases[name]).items() if key not in NOT_INHERITED})
    return reduce(merged, reversed(layers))


def changed_keys(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Dotted keys whose values differ, or that one side lacks, sorted.

    >>> changed_keys({"model": {"dim": 8, "width": 4}}, {"model": {"dim": 16, "width": 4}, "seed": 1})
    ['model.dim', 'seed']
    """
    found = []
    for key in sorted({*old, *new}):
        ours, theirs = old.get(key), new.get(key)
        if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
            found += [f"{key}.{below}" for below in changed_keys(ours, theirs)]
        elif ours != theirs or (key in old) != (key in new):
            found.append(key)
    return found


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `changes` put in, block by block; a block that names another model or detector takes nothing over.

    >>> merged({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 4}, "d": None})
    {'a': {'b': 4, 'c': 2}, 'd': None}
    >>> merged({"detector": {"name": "knn", "k": 2}}, {"detector": {"name": "gmm"}})
    {'detector': {'name': 'gmm'}}
    """
    result = dict(base)
    for key, value in changes.items():
        old = result.get(key)
        if isinstance(value, Mapping) and isinstance(old, Mapping) and value.get("name", old.get("name")) == old.get("name"):
            value = merged(old, value)
        result[key] = value
    return result
