"""A row of the display for a task that another process does: its state is told to the watcher as if it were done here."""

from dataclasses import dataclass, field

from zoo.progress import Progress
from zoo.running.jobs import State
from zoo.running.plan import Task
from zoo.running.watcher import Watcher
from zoo.training.loop import Hooks, StepTaken


@dataclass
class Row:
    """One task's row."""

    task: Task
    watcher: Watcher
    _hooks: Hooks | None = None
    _embedding: Progress | None = None
    _step: int = 0
    _said: int = 0  # notes
    _ended: bool = False
    _embedded: tuple[int, int] = field(default=(0, 0))

    def look(self, state: State) -> None:
        """Tell what is new."""
        if self._hooks is None and state.stage not in ("begun", "failed"):
            self._hooks = self.watcher.begin_task(self.task, state.before)
        if self._hooks is None:
            return
        for sentence in state.notes[self._said :]:
            self._hooks.note(sentence)
        self._said = max(self._said, len(state.notes))
        if state.step != self._step and not self._ended and None not in (state.loss, state.rate, state.clips_per_second):
            self._step = state.step
            told = StepTaken(state.step, state.steps, state.loss or 0.0, state.rate or 0.0, state.clips_per_second or 0.0)
            self._hooks.stepped(told)
        if state.trained_steps is not None and not self._ended:
            self._ended = True
            self._hooks.done(state.trained_steps)
        if state.embedded != self._embedded and state.embedded[1]:
            self._embedded = state.embedded
            self._embedding = self._embedding or self.watcher.embed(self.task.system.name, self.task.group)
            self._embedding(*state.embedded)

    def close(self) -> None:
        """The process ended: a bar that was left half full goes."""
        if self._embedding is not None and self._embedded[0] != self._embedded[1]:
            self._embedding(self._embedded[1], self._embedded[1])
        self._embedding, self._said, self._embedded = None, 0, (0, 0)
