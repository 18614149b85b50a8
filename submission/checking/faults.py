"""`Fault`: one thing that is wrong with a package, where, and how to mend it; `Findings`: all of them."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Level = Literal["error", "warning"]


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    An *error* makes the organisers' evaluator reject, skip or misread the package, or breaks a stated rule. A *warning* is
    anything else that a person should look at, and everything that rests on an unverified reading of the rules.
    """

    code: str  # stable, for scripts: "csv-header"
    level: Level
    message: str
    hint: str
    file: str = ""  # path inside the package; "" for the package as a whole
    line: int | None = None  # 1-based

    def __post_init__(self) -> None:
        for name in ("message", "hint", "file"):  # they quote what strangers wrote, and end in a terminal
            object.__setattr__(self, name, _printable(getattr(self, name)))

    @property
    def where(self) -> str:
        """`file:line` as far as known."""
        return f"{self.file}:{self.line}" if self.line is not None else self.file


def _printable(text: str, longest: int = 300) -> str:
    shown = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    return shown if len(shown) <= longest else f"{shown[:longest]}..."


def error(code: str, message: str, hint: str, file: str = "", line: int | None = None) -> Fault:
    """A fault that costs the submission."""
    return Fault(code, "error", message, hint, file, line)


def warning(code: str, message: str, hint: str, file: str = "", line: int | None = None) -> Fault:
    """A fault that a person should look at."""
    return Fault(code, "warning", message, hint, file, line)


@dataclass(frozen=True)
class Findings:
    """What `check` found in a package."""

    package: str
    year: str  # whose rules were applied
    systems: tuple[str, ...]  # labels
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]  # what is not known of the year's rules

    @property
    def errors(self) -> tuple[Fault, ...]:
        return tuple(fault for fault in self.faults if fault.level == "error")

    @property
    def warnings(self) -> tuple[Fault, ...]:
        return tuple(fault for fault in self.faults if fault.level == "warning")

    def by_kind(self) -> tuple[tuple[Fault, str], ...]:
        """The first fault of each kind, with words for how many there are: "in 20 files, the first is "; "" for a lone one."""
        kinds: dict[tuple[str, str], list[Fault]] = {}
        for fault in self.faults:
            kinds.setdefault((fault.level, fault.code), []).append(fault)
        return tuple((faults[0], _spread(faults)) for faults in kinds.values())

    def as_json(self) -> dict[str, Any]:
        """The report as JSON-serialisable data (`asdzoo check --json`)."""
        return {
            "package": self.package,
            "year": self.year,
            "systems": list(self.systems),
            "errors": len(self.errors),
            "warnings": len(self.warnings),
            "notes": list(self.notes),
            "faults": [asdict(fault) for fault in self.faults],
        }


def _spread(faults: Sequence[Fault]) -> str:
    files = len({fault.file for fault in faults})
    if len(faults) == 1:
        return ""
    where = f"{files} files" if files == len(faults) else f"{len(faults)} places"
    return f"in {where}, the first is "


def in_order(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """Errors first, then by file and line; each fault once."""
    return tuple(sorted(dict.fromkeys(faults), key=lambda fault: (fault.level, fault.file, fault.line or 0, fault.code)))
