"""How much disk a waveform store takes, said before it is written, and refused where the disk has less."""

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from zoo.data.clip import Clip
from zoo.data.facts import known_facts
from zoo.errors import AsdzooError

_WORTH_SAYING = 100_000_000  # bytes
_SPARE = 50_000_000  # bytes that are left to others

Say = Callable[[str], None]


def unsaid(sentence: str) -> None:
    """Nobody listens."""


def bytes_needed(clips: Iterable[Clip], rate: int) -> int:
    """Bytes of these clips in a store at `rate` (Hz): 2 a sample and channel; those of the file where its length is unknown."""
    total = 0
    for clip in clips:
        if (facts := known_facts(clip)) and facts.usable:
            total += 2 * facts.channels * round(facts.seconds * rate)
        else:
            try:
                total += clip.path.stat().st_size
            except OSError:
                continue
    return total


def require_space(folder: Path, clips: list[Clip], rate: int, freed: Iterable[Path], say: Say) -> None:
    """Say how much is about to be decoded into `folder`. freed: the stale folders that make room before.

    Raises: AsdzooError when the disk has less.
    """
    needed = bytes_needed(clips, rate)
    if needed >= _WORTH_SAYING:
        say(f"decoding {len(clips)} recordings into {folder}: {needed / 1e9:.1f} GB")
    free = shutil.disk_usage(folder).free
    free += sum(path.stat().st_size for stale in freed for path in stale.glob("*.i16"))
    if needed + _SPARE > free:
        raise AsdzooError(
            f"the waveform store {folder} needs {needed / 1e9:.2f} GB, and the disk has {free / 1e9:.2f} GB free",
            "free some space, or name a run folder on another disk with --run",
        )
