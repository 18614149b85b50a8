"""Configs that build on another: `base: NAME` takes that system or ablation and changes what the file says otherwise.

`configs/ablations/` is made of such files. Blocks are merged key by key, everything else is replaced; a base may have a base.
"""

from collections.abc import Mapping
from functools import reduce
from pathlib import Path
from typing import Any

from zoo.config import load_yaml, shipped_configs
from zoo.errors import AsdzooError, unknown_name


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
        layers.append(load_yaml(bases[name]))
    return reduce(merged, reversed(layers))


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `changes` put in, block by block.

    >>> merged({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 4}, "d": None})
    {'a': {'b': 4, 'c': 2}, 'd': None}
    """
    result = dict(base)
    for key, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if both else value
    return result
