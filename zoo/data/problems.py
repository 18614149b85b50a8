"""What is wrong with a collection of recordings, in sentences: what was left out, and what a person should look at."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

MOST_ALIKE = 2  # more problems of one kind in one folder than this are told in one line


@dataclass(frozen=True)
class Problem:
    """Something about a file or folder that its owner should know, in one sentence.

    An *error* is about recordings that cannot be used and are left out; a *warning* about what is used, or left out on purpose,
    and that a person should look at.
    """

    severity: Literal["error", "warning"]
    path: Path
    sentence: str
    more: int = 0  # other files of the same folder of which the same is true

    def __str__(self) -> str:
        others = f" (and {self.more} more like it)" if self.more else ""
        return f"{shown(self.path)}{others}: {self.sentence}"


def gathered(problems: Iterable[Problem]) -> list[Problem]:
    """The problems in order, those that say the same of many files of one folder (up to the numbers in it) as one."""
    alike: dict[tuple[str, Path, str], list[Problem]] = {}
    for problem in problems:
        kind = re.sub(r"[\d.]+", "0", problem.sentence)
        alike.setdefault((problem.severity, problem.path.parent, kind), []).append(problem)
    told: list[Problem] = []
    for same in alike.values():
        if len(same) > MOST_ALIKE:
            told.append(replace(same[0], more=sum(1 + problem.more for problem in same) - 1))
        else:
            told += same
    return told


def shortened(problems: Iterable[Problem], most: int = 5) -> list[str]:
    """The first problems, gathered, as sentences, and how many more there are."""
    told = gathered(problems)
    said = [str(problem) for problem in told[:most]]
    return said + ([f"and {len(told) - most} more; `asdzoo scan DATA` lists them all"] if len(told) > most else [])


def shown(path: Path) -> str:
    """A path as it can be printed anywhere: bytes that are no UTF-8, and control characters, as escapes.

    >>> shown(Path("bell\\a.wav"))
    'bell\\\\x07.wav'
    """
    text = str(path).encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)
