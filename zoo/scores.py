"""`ScoreTable`: what crosses disk between the rooms.

One row per (system, clip), as a CSV that a person can open.

Conventions
-----------
score       any real number, larger = more anomalous
calibrated  the same in standard deviations of the machine's normal training clips
SYSTEM.s0   system SYSTEM trained with the first seed, where a run trains it with several: the name in the column, of the file,
            and on the command line. SYSTEM is the family (`family_of`)
empty cell  not known (domain of a blind test clip, label of an evaluation clip)
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from zoo.data.clips import Clip
from zoo.errors import AsdzooError
from zoo.files import write_bytes

KEYS = ["system", "year", "machine", "section", "split", "clip"]
COLUMNS = ["system", "year", "machine", "section", "split", "domain", "label", "clip", "score", "calibrated"]
_ALLOWED = {"split": {"train", "test"}, "domain": {"source", "target", ""}, "label": {"normal", "anomaly", ""}}


@dataclass(frozen=True)
class ScoreTable:
    """Scores of one or more systems over clips of one year; valid by construction.

    `frame` has exactly `COLUMNS`; text columns hold `str` ("" where unknown), the last two float64. Rows are sorted by key.

    Raises: AsdzooError when a column is missing, a key occurs twice, a score is not finite, or years are mixed.
    """

    frame: pd.DataFrame

    def __post_init__(self) -> None:
        frame = self.frame
        missing = [column for column in COLUMNS if column not in frame.columns]
        if missing:
            raise AsdzooError(f"score table lacks the column(s) {', '.join(missing)}", f"columns are {', '.join(COLUMNS)}")
        frame = frame[COLUMNS].copy()
        for column in COLUMNS[:-2]:
            frame[column] = frame[column].astype(object).where(frame[column].notna(), "").astype(str)
        for column in COLUMNS[-2:]:
            frame[column] = pd.to_numeric(frame[column], errors="coerce").astype(float)
            bad = frame[~np.isfinite(frame[column])]
            if len(bad):
                first = bad.iloc[0]
                raise AsdzooError(
                    f"{len(bad)} {column} value(s) are not finite, the first for {first['system']} {first['machine']} "
                    f"{first['clip']}",
                    "remove that system's score table and run `asdzoo train-all` again",
                )
        for column, allowed in _ALLOWED.items():
            odd = set(frame[column]) - allowed
            if odd:
                raise AsdzooError(f"column {column} holds {sorted(odd)[0]!r}", f"allowed: {', '.join(sorted(allowed))}")
        if frame["year"].nunique() > 1:
            raise AsdzooError(f"score table mixes the years {', '.join(sorted(set(frame['year'])))}", "one year per run")
        duplicated = frame[frame.duplicated(KEYS)]
        if len(duplicated):
            first = duplicated.iloc[0]
            raise AsdzooError(
                f"{first['system']} scores {first['machine']} {first['clip']} twice", "one row per (system, clip)"
            )
        object.__setattr__(self, "frame", frame.sort_values(KEYS, ignore_index=True))

    @classmethod
    def of_clips(
        cls, system: str, clips: Sequence[Clip], scores: np.ndarray, calibrated: np.ndarray | None = None
    ) -> "ScoreTable":
        """Table of one system from parallel sequences; `calibrated` is the raw score until calibration sets it."""
        return cls(
            pd.DataFrame(
                {
                    "system": system,
                    "year": [clip.year for clip in clips],
                    "machine": [clip.machine for clip in clips],
                    "section": [clip.section for clip in clips],
                    "split": [clip.split for clip in clips],
                    "domain": [clip.domain or "" for clip in clips],
                    "label": [clip.label or "" for clip in clips],
                    "clip": [clip.name for clip in clips],
                    "score": scores,
                    "calibrated": scores if calibrated is None else calibrated,
                }
            )
        )

    @classmethod
    def read(cls, path: Path) -> "ScoreTable":
        """Read a CSV that `write` wrote, or that a person made with the same columns."""
        if not path.exists():
            raise AsdzooError(f"no score table at {path}", "run `asdzoo train-all` first")
        try:
            frame = pd.read_csv(path, dtype=str, keep_default_na=False)
            for column in frame.columns.intersection(COLUMNS[-2:]):
                frame[column] = [_number(text) for text in frame[column]]
            return cls(frame)
        except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as problem:
            raise AsdzooError(f"{path} is not a CSV: {problem}", "run `asdzoo train-all` to write it again") from problem
        except AsdzooError as problem:
            raise AsdzooError(f"{path}: {problem.message}", problem.hint) from problem

    def write(self, path: Path) -> None:
        """Write as CSV with full float precision: reading it back gives the same bits."""
        write_bytes(path, self.as_csv())

    def as_csv(self) -> bytes:
        """What `write` writes."""
        return self.frame.to_csv(index=False, lineterminator="\n").encode()

    @property
    def systems(self) -> list[str]:
        """Names of the systems in the table, sorted."""
        return sorted(set(self.frame["system"]))

    @property
    def year(self) -> str:
        """The one year of the table ("" for an empty table)."""
        return str(self.frame["year"].iloc[0]) if len(self.frame) else ""


def family_of(name: str) -> str:
    """The system that a table is of, whatever its seed.

    >>> family_of("beats_lora.s3"), family_of("beats_lora")
    ('beats_lora', 'beats_lora')
    """
    system, dot, seed = name.rpartition(".s")
    return system if dot and system and seed.isdecimal() else name


def families_of(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Family -> its members among `names`, in their order."""
    families: dict[str, tuple[str, ...]] = {}
    for name in names:
        families[family_of(name)] = (*families.get(family_of(name), ()), name)
    return families


def _number(text: str) -> float:
    """The float that `repr` wrote, bit for bit (older pandas rounds); NaN for what is no number."""
    try:
        return float(text)
    except ValueError:
        return math.nan
