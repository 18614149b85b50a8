"""A folder into which recordings arrive: which of them are whole, and which were judged before."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from time import sleep as pause

from zoo.data.identity import content_hash
from zoo.data.loose import Loose, Sections, loose_files, whose
from zoo.errors import AsdzooError
from zoo.formulas import formulas
from zoo.running.judge import Judge
from zoo.running.verdicts import Judgement, Standard, Verdict, judge_recordings

EVERY = 2.0  # seconds between two looks
_State = tuple[int, int]  # size in bytes, time of the last change in nanoseconds


class Lookout:
    """Looks at a folder again and again. A recording is whole when two looks find it the same, and not empty."""

    def __init__(self, folder: Path, judged: Iterable[tuple[str, str]] = ()) -> None:
        """`judged` are name and digest of the recordings that are done."""
        self.folder = folder
        self._judged = set(judged)
        self._seen: dict[Path, _State] = {}
        self._done: dict[Path, _State] = {}

    def whole(self) -> list[tuple[Path, str]]:
        """Recordings that are whole and not done, with their names below the folder; from now on they are done."""
        try:
            files = [(path, below.as_posix()) for path, below in loose_files([self.folder])[0]]
        except AsdzooError:
            if not self.folder.is_dir():
                raise
            files = []
        states = {path: state for path, _ in files if (state := _state(path)) is not None}
        ready = []
        for path, name in files:
            state = states.get(path)
            if state is None or not state[0] or self._seen.get(path) != state or self._done.get(path) == state:
                continue
            self._done[path] = state
            key = (name, content_hash(path))
            if key not in self._judged:
                self._judged.add(key)
                ready.append((path, name))
        self._seen = states
        return ready


def judged_as_they_come(
    judge: Judge,
    standard: Standard,
    lookout: Lookout,
    sections: Sections,
    machine: str | None,
    section: str | None,
    before: Iterable[Verdict],
    every: float = EVERY,
) -> Iterator[Judgement]:
    """Judge what arrives, without an end; a recording that cannot be judged is a note. `before` are earlier verdicts.

    Raises: AsdzooError when the folder goes away.
    """
    earlier = sorted(before, key=lambda one: one.recorded)
    while True:
        recordings, notes = [], []
        for path, name in lookout.whole():
            try:
                recordings.append(Loose(path, name, *whose(path, sections, machine, section)))
            except AsdzooError as problem:
                notes.append(f"{problem.message}; {problem.hint}")
        if said := formulas(one.name for one in recordings):
            notes.append(said)
        found = Judgement([], notes, {})
        if recordings:
            try:
                judgement = judge_recordings(judge, standard, recordings, earlier)
                found = Judgement(judgement.verdicts, notes + judgement.notes, judgement.rates)
            except AsdzooError as problem:
                found = Judgement([], [*notes, problem.message], {})
        if found.verdicts or found.notes:
            earlier = _latest([*earlier, *found.verdicts], standard.alarm.of)
            yield found
        pause(every)


def _latest(verdicts: list[Verdict], count: int) -> list[Verdict]:
    """The last `count` of each machine and section."""
    parts: dict[tuple[str, str], list[Verdict]] = {}
    for one in verdicts:
        parts.setdefault((one.machine, one.section), []).append(one)
    return [one for own in parts.values() for one in own[-count:]]


def _state(path: Path) -> _State | None:
    try:
        status = path.stat()
    except OSError:  # moved away since
        return None
    return status.st_size, status.st_mtime_ns
