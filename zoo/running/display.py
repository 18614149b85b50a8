"""What a person sees while a command works: a progress bar for each part, and a line when a training is done.

On a terminal and in a notebook (with ipywidgets) the bars move; in a log there is a line every minute instead.
"""

from __future__ import annotations

import time
from importlib.util import find_spec
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichBars

from zoo.console import err, out, visible, warn

if TYPE_CHECKING:
    from zoo.progress import Progress
    from zoo.running.plan import Task
    from zoo.running.watcher import Watcher
    from zoo.training.loop import Hooks, StepTaken


LOG_SECONDS = 60.0  # between two lines about one training, where there is no terminal


def _bars_can_move() -> bool:
    """On a terminal, and in a notebook that has what rich draws with there."""
    return err.is_terminal or (err.is_jupyter and find_spec("ipywidgets") is not None)


class Bars:
    """Progress bars as a context manager."""

    def __init__(self) -> None:
        self._bars = RichBars(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[status]}", markup=False),
            TimeRemainingColumn(),
            console=err,
            transient=True,
            disable=not _bars_can_move(),
        )

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._bars.stop()

    def counter(self, description: str) -> Progress:
        """A bar that follows (done, total) and goes when it is full."""
        bar: list[TaskID] = []

        def update(done: int, total: int) -> None:
            if not bar:
                bar.append(self._bars.add_task(visible(description), total=total, status=""))
            self._bars.update(bar[0], completed=done)
            if done == total:
                self._bars.remove_task(bar.pop())

        return update


class Display(Bars):
    """Progress of a run; `watcher` is what the pipeline calls."""

    def __init__(self) -> None:
        super().__init__()
        self._said: set[str] = set()

    def note(self, sentence: str) -> None:
        """A warning, said once however often it comes up."""
        if sentence not in self._said:
            self._said.add(sentence)
            warn(sentence)

    def begin_task(self, task: Task, before: str) -> Hooks:
        """The hooks that show one training; `before` says why there is none, or nothing."""
        from zoo.training.loop import Hooks

        name = f"{task.system.name} ({task.group})"
        training = task.system.config.training
        if training is None:
            unused = [f"{setting} does not concern it" for setting in task.system.unused]
            out.print(f"{name}: {', '.join(['nothing to train', *unused])}")
            return Hooks(note=self.note)
        if before:
            out.print(f"{name}: {before}")
            return Hooks(note=self.note)
        bar = self._bars.add_task(visible(f"training {name}"), total=max(training.steps, 1), status="")
        begun = logged = time.monotonic()

        def stepped(now: StepTaken) -> None:
            nonlocal logged
            status = f"loss {now.loss:.3f}  {now.clips_per_second:,.0f} clips/s"
            self._bars.update(bar, completed=now.step, total=now.steps, status=status)
            if not _bars_can_move() and time.monotonic() - logged >= LOG_SECONDS:
                logged = time.monotonic()
                err.print(f"{name}: step {now.step} of {now.steps}  {status}")

        def done(steps: int) -> None:
            self._bars.remove_task(bar)
            out.print(f"{name}: {steps} steps on {len(task.learnt)} clips, {time.monotonic() - begun:.0f} s")

        return Hooks(stepped=stepped, done=done, note=self.note)

    @property
    def watcher(self) -> Watcher:
        from zoo.running.watcher import Watcher

        return Watcher(
            begin_task=self.begin_task,
            embed=lambda system, group: self.counter(f"embedding {system} ({group})"),
            note=self.note,
        )
