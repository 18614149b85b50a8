"""Everything that a YAML names is found here: a file in the room of its kind, or an entry point of an installed package.

A plugin is a distribution with an entry point `NAME = "package.module"` in the group `asdzoo.models`, `asdzoo.detectors` or
another room of `ROOMS`; its module defines what a file of that room defines (`docs/plugins.md`). Names of the zoo win over
those from outside, and nothing is imported before its name is asked for; `problems` alone tries them all.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pkgutil import iter_modules
from types import ModuleType
from typing import Any, Literal, get_args

from zoo.errors import AsdzooError, unknown_name

Kind = Literal["model", "encoder", "detector", "loss", "view"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Room:
    """Where the files of one kind stand, below `zoo.` and as a group of entry points below `asdzoo.`."""

    folder: str
    defines: tuple[str, ...]  # what each of its modules has


ROOMS: dict[Kind, Room] = {
    "model": Room("models", ("Config", "METADATA", "build")),
    "encoder": Room("encoders", ("ENCODER", "METADATA")),
    "detector": Room("detectors", ("Config", "METADATA", "build")),
    "loss": Room("losses", ("Config", "build")),
    "view": Room("views", ("NEEDS", "heard")),
}


@dataclass(frozen=True)
class Entry:
    """One thing that can be named."""

    kind: Kind
    name: str
    module: str  # where it is defined
    package: str | None = None  # the distribution that brings it; None: the zoo itself

    def load(self) -> ModuleType:
        """Its module. Raises: AsdzooError when it comes from outside and cannot be imported or lacks what its kind defines."""
        if self.package is None:
            return import_module(self.module)
        try:
            return self.tried()
        except Exception as problem:  # whatever a stranger's module raises while it is imported
            raise AsdzooError(
                f"the {self.kind} {self.name} of the package {self.package} cannot be used: {_reason(problem)}",
                f"mend the package, or remove it: pip uninstall {self.package}",
            ) from problem

    def tried(self) -> ModuleType:
        """Its module, or whatever exception stands in the way."""
        found = import_module(self.module)
        lacking = [name for name in ROOMS[self.kind].defines if not hasattr(found, name)]
        if lacking:
            raise AttributeError(f"{self.module} defines no {' and no '.join(lacking)}")
        return found


def entries(kind: Kind) -> dict[str, Entry]:
    """Everything of one kind by name, sorted; names of the zoo come before those of plugins, the first plugin before others."""
    found: dict[str, Entry] = {}
    for entry in (*_own(kind), *_plugins(kind)):
        found.setdefault(entry.name, entry)
    return dict(sorted(found.items()))


def names(kind: Kind) -> list[str]:
    """Names of everything of one kind, sorted."""
    return list(entries(kind))


def module(kind: Kind, name: str) -> ModuleType:
    """The module behind a name. Raises: AsdzooError for an unknown name, or a plugin that cannot be used."""
    found = entries(kind)
    if name not in found:
        raise unknown_name(kind, name, found)
    return found[name].load()


def extension(name: str) -> Any:
    """The object behind the entry point `name` of the group `asdzoo.extensions`, by which a room further right lends a hand.

    Rooms are imported to the left only, so what the zoo offers of a later room is found like a plugin.
    Raises: AsdzooError when nothing that is installed offers it.
    """
    for point in entry_points(group="asdzoo.extensions", name=name):
        return point.load()
    raise AsdzooError(
        f"nothing that is installed offers {name!r}: this installation is a part of asdzoo, or older than its code",
        "install it again: pip install -e . in its folder, or pip install asdzoo",
    )


def problems() -> list[str]:
    """What is wrong with the installed plugins, one sentence for each package; they are imported for it."""
    wrong: dict[str, list[str]] = {}
    for kind in KINDS:
        taken = entries(kind)
        for entry in _plugins(kind):
            package, first = entry.package or "", taken[entry.name]
            if entry != first:
                owner = f"the package {first.package}" if first.package else "the zoo"
                wrong.setdefault(package, []).append(f"its {kind} {entry.name} is hidden by that of {owner}")
                continue
            try:
                entry.tried()
            except Exception as problem:  # whatever a stranger's module raises while it is imported
                wrong.setdefault(package, []).append(f"its {kind} {entry.name} cannot be used: {_reason(problem)}")
    return [f"the plugin {package}: {'; '.join(said)}" for package, said in sorted(wrong.items())]


def _reason(problem: Exception) -> str:
    """The first line of what an exception says, or its type."""
    return (str(problem) or type(problem).__name__).splitlines()[0]


@cache
def _own(kind: Kind) -> tuple[Entry, ...]:
    room = find_spec(f"zoo.{ROOMS[kind].folder}")
    assert room is not None
    files = (found.name for found in iter_modules(room.submodule_search_locations) if not found.name.startswith("_"))
    return tuple(Entry(kind, name, f"{room.name}.{name}") for name in files)


def _plugins(kind: Kind) -> Iterator[Entry]:
    """Entry points in the order of the names of their packages: which of two comes first depends on nothing else."""
    found: list[tuple[str, EntryPoint]] = [
        (point.dist.name if point.dist else "unknown", point) for point in entry_points(group=f"asdzoo.{ROOMS[kind].folder}")
    ]
    for package, point in sorted(found, key=lambda pair: (pair[0], pair[1].name)):
        yield Entry(kind, point.name, point.value, package)
