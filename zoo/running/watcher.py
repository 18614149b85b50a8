"""What a caller sees of a run while it goes on."""

from collections.abc import Callable
from dataclasses import dataclass

from zoo.progress import Progress, unseen
from zoo.running.plan import Task
from zoo.training.loop import Hooks


@dataclass
class Watcher:
    """What is called, whoever does the work; the default sees nothing."""

    begin_task: Callable[[Task, str], Hooks] = lambda task, before: Hooks()  # before: why there is nothing left to train, or ""
    embed: Callable[[str, str], Progress] = lambda system, group: unseen
    note: Callable[[str], None] = lambda sentence: None
    scored: Callable[[str], None] = lambda system: None  # the score table of a system is up to date
