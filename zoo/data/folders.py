"""What a walk through a tree of recordings gives: folders, machine folders, and the recordings in them."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from zoo.data.names import ClipName, bare_name, copied_name, parse_name


@dataclass(frozen=True)
class Found:
    """One recording in a machine folder."""

    path: Path
    folder: str  # of SPLIT_FOLDERS
    below: tuple[str, ...] = ()  # the folders between the split folder and the file

    @cached_property
    def says(self) -> ClipName | None:
        """What its file name says; a file manager's copy says what the original says."""
        return parse_name(copied_name(bare_name(self.path.name)) or self.path.name, self.folder)


@dataclass(frozen=True)
class MachineFolder:
    """A folder of recordings of one machine."""

    path: Path
    within: tuple[str, ...]  # the folders below the root that lead to it, itself the last
    recordings: tuple[Found, ...]

    @cached_property
    def machine(self) -> str:
        return own_name(self.path)

    @cached_property
    def folders(self) -> frozenset[str]:
        """The split folders that hold recordings."""
        return frozenset(found.folder for found in self.recordings)

    @cached_property
    def names(self) -> list[ClipName]:
        """What the names of the challenge among its recordings say."""
        return [found.says for found in self.recordings if found.says is not None]


@dataclass
class Folder:
    """A folder as it was met."""

    path: Path
    within: tuple[str, ...]  # the folders below the root that lead to it, itself the last
    hidden: bool = False  # it, or a folder above it below the root, is hidden
    recordings: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)  # files that need a word, if only sometimes
    empty: bool = False  # neither files nor folders


def own_name(path: Path) -> str:
    """The last part of a path, of `.` and `..` too; a link keeps its name."""
    return path.name if path.name not in ("", "..") else path.resolve().name
