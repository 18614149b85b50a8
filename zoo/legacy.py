"""System configs of version 0.1, as its run.json and task.json hold them, in today's form.

In 0.1 each encoder was a model of its own, and its sizes stood under `encoder`:

    {name: beats, encoder: {layers: 12, ...}, ...}        is {name: pretrained, encoder: beats, sizes: {layers: 12, ...}, ...}
    {name: beats_eat, beats: {encoder: {...}}, eat: ...}  is {name: beats_eat, beats: {encoder: beats, sizes: {...}}, eat: ...}
"""

from collections.abc import Mapping
from typing import Any

_ENCODERS = ("beats", "eat")


def current(config: Mapping[str, Any]) -> dict[str, Any]:
    """A system's config in today's form; one that has it is given back as it is."""
    model = config.get("model")
    if not isinstance(model, Mapping):
        return dict(config)
    name = model.get("name")
    if name in _ENCODERS:
        return {**config, "model": {**_translated(name, model), "name": "pretrained"}}
    if name == "beats_eat":
        branches = {key: _translated(key, model[key]) for key in _ENCODERS if isinstance(model.get(key), Mapping)}
        return {**config, "model": {**model, **branches}}
    return dict(config)


def _translated(encoder: str, block: Mapping[str, Any]) -> dict[str, Any]:
    """A block of 0.1 that is about one encoder; one of today, which names it, comes back as it is."""
    if isinstance(block.get("encoder"), str):
        return dict(block)
    result = {"sizes" if key == "encoder" else key: value for key, value in block.items()}
    return {"encoder": encoder, **result}
