"""Checkpoints that a system names by a path: the same name may hold another file later, which a known name never does."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from zoo.checkpoints.known import known
from zoo.data.identity import content_hash
from zoo.errors import AsdzooError
from zoo.running.records import TaskInfo
from zoo.systems import System


def own_weights(system: System) -> dict[str, str]:
    """Path -> hash of its content, of those that are files now."""
    named = dict.fromkeys(_named(system.resolved()))
    found = {path: content_hash(Path(path).expanduser()) for path in named if path not in known()}
    return {path: content for path, content in found.items() if content}


def require_same_weights(before: TaskInfo, system: System) -> None:
    """Raises: AsdzooError when a checkpoint that a task was made with holds something else now; one may be gone."""
    now = own_weights(system)
    for path, content in before.weights.items():
        if now.get(path, content) != content:
            raise AsdzooError(
                f"{path} is another file than {system.name} ({before.group}) was made with",
                "bring the earlier one back, or name another folder with --run",
            )


def _named(block: Mapping[str, Any]) -> Iterator[str]:
    """What stands under `weights` in a block or below it, but for encoders with random weights."""
    if block.get("init") != "random" and isinstance(block.get("weights"), str):
        yield block["weights"]
    for value in block.values():
        if isinstance(value, Mapping):
            yield from _named(value)
