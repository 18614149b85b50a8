"""Which clips a package must cover, by the recordings on disk."""

from pathlib import Path

from submission.checking.rules import Part, rules_of
from zoo.data.clips import find_clips
from zoo.data.problems import shortened
from zoo.errors import AsdzooError


def expected_clips(data: Path, year: str | None = None) -> tuple[dict[Part, frozenset[str]], str, list[str]]:
    """The test clips of each part (blind ones, or all when none is blind), the year, and what is to be said of the recordings.

    Raises: AsdzooError when there are no test clips, or the recordings are of several years and `year` is None.
    """
    found = find_clips(data, year, lone="test")
    test = [clip for clip in found if clip.split == "test"]
    if not test:
        raise AsdzooError(f"no test clips in {data}", "name the folder with the evaluation recordings (MACHINE/test/*.wav)")
    blind = [clip for clip in test if clip.label is None]
    rules = rules_of(test[0].year)
    clips: dict[Part, set[str]] = {}
    for clip in blind or test:
        part = Part(clip.machine, clip.section, (clip.domain or "") if rules.domains else "")
        clips.setdefault(part, set()).add(clip.name)
    return {part: frozenset(names) for part, names in clips.items()}, rules.year, shortened(found.problems)
