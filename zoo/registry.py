"""Everything that a YAML names is found here: a file in the room of its kind, or an entry point of an installed package.

A plugin is a distribution with an entry point `NAME = "package.module"` in the group `asdzoo.models`, `asdzoo.detectors`, ...;
its module defines what a file of that room defines. Names of the zoo win over names from outside, and nothing is imported
before its name is asked for.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pkgutil import iter_modules
from types import ModuleType
from typing import Literal

from zoo.errors import AsdzooError, unknown_name

Kind = Literal["model", "detector", "loss"]


@dataclass(frozen=True)
class Entry:
    """One thing that can be named."""

    name: str
    module: str  # where it is defined
    package: str | None = None  # the distribution that brings it; None: the zoo itself

    def load(self, kind: str) -> ModuleType:
        """Its module. Raises: AsdzooError when it comes from outside and cannot be imported."""
        if self.package is None:
            return import_module(self.module)
        try:
            return import_module(self.module)
        except Exception as problem:  # whatever a stranger's module raises while it is imported
            raise AsdzooError(
                f"the {kind} {self.name} of the package {self.package} cannot be imported: {problem}",
                f"mend or uninstall it: pip uninstall {self.package}",
            ) from problem


def entries(kind: Kind) -> dict[str, Entry]:
    """Everything of one kind by name, sorted; names of the zoo come before those of plugins."""
    found = {entry.name: entry for entry in _plugins(kind)} | {entry.name: entry for entry in _own(kind)}
    return dict(sorted(found.items()))


def names(kind: Kind) -> list[str]:
    """Names of everything of one kind, sorted."""
    return list(entries(kind))


def module(kind: Kind, name: str) -> ModuleType:
    """The module behind a name. Raises: AsdzooError for an unknown name, or a plugin that cannot be imported."""
    found = entries(kind)
    if name not in found:
        raise unknown_name(kind, name, found)
    return found[name].load(kind)


@cache
def _own(kind: Kind) -> tuple[Entry, ...]:
    room = import_module(_room(kind))
    files = (found.name for found in iter_modules(room.__path__) if not found.name.startswith("_"))
    return tuple(Entry(name, f"{room.__name__}.{name}") for name in files)


def _plugins(kind: Kind) -> Iterator[Entry]:
    point: EntryPoint
    for point in entry_points(group=_room(kind).replace("zoo.", "asdzoo.")):
        yield Entry(point.name, point.value, point.dist.name if point.dist else "unknown")


def _room(kind: Kind) -> str:
    return "zoo.losses" if kind == "loss" else f"zoo.{kind}s"
