"""What is to be known of a recording before it is used: length, rate, channels, dead channels, and what is wrong with it."""

from typing import Any, NamedTuple

from zoo.data.clip import Clip
from zoo.data.decoding import Decoding
from zoo.data.identity import glance
from zoo.data.problems import Problem
from zoo.data.remembered import recall
from zoo.data.wavs import SAMPLE_RATE

_PASSING = "cannot be read"  # a disk or a network may be back the next time


class Facts(NamedTuple):
    """What a scan finds of one recording."""

    seconds: float
    rate: int  # Hz
    channels: int
    dead: list[int]  # channels in which nothing changes
    problems: tuple[Problem, ...]

    @property
    def usable(self) -> bool:
        return all(problem.severity == "warning" for problem in self.problems)


def known_facts(clip: Clip) -> Facts | None:
    """The facts where three blocks of the file, or an earlier look at the same file, tell them without doubt."""
    found = glance(clip.path)
    if found is None or found.facts is None:
        return None
    frames, rate, channels, dead, problems = found.facts
    return Facts(
        frames / rate if rate else 0.0, rate, channels, dead, tuple(Problem(s, clip.path, told) for s, told in problems)
    )


def decoded_facts(clip: Clip) -> Facts:
    """The facts by decoding the whole recording, which are remembered."""
    decoding = Decoding(clip.path)
    for _ in decoding.blocks():
        pass
    if decoding.usable and round(decoding.frames * SAMPLE_RATE / decoding.rate) < 1:
        sentence = f"is so short that nothing of it is left at {SAMPLE_RATE} Hz"
        decoding.problems.append(Problem("error", clip.path, sentence))
    problems = [[problem.severity, problem.sentence] for problem in decoding.problems]
    if not any(sentence.startswith(_PASSING) for _, sentence in problems):
        _remember(clip, [decoding.frames, decoding.rate, decoding.channels, decoding.dead, problems])
    return Facts(decoding.seconds, decoding.rate, decoding.channels, decoding.dead, tuple(decoding.problems))


def _remember(clip: Clip, facts: list[Any]) -> None:
    try:
        recall(clip.path, clip.path.stat()).learn(facts=facts)
    except OSError:  # it is gone since
        return
