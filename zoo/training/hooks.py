"""What a caller of a training hears of it, and what it keeps."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

State = dict[str, Any]  # tensors and plain values: all that a training needs to go on


@dataclass
class StepTaken:
    """Where training is; handed to the caller's display after every step."""

    step: int
    steps: int
    loss: float
    rate: float  # learning rate
    clips_per_second: float


@dataclass
class Hooks:
    """What a caller may do while training runs."""

    stepped: Callable[[StepTaken], None] = lambda step: None
    save: Callable[[State], None] = lambda state: None  # keep a checkpoint; called every `save_seconds`
    save_seconds: float = 60.0
    validated: Callable[[list[dict[str, float]]], None] = lambda history: None  # a row was added
    done: Callable[[int], None] = lambda steps: None  # training ended after so many steps
    seconds: float = math.inf  # that training may take from now on; at least one step is taken
    ended: Callable[[State, bool], None] = lambda state, stopped: None  # the state behind the last step, or when time was over
    note: Callable[[str], None] = lambda sentence: None  # something the user should read
