"""Synthetic machines as something to be told apart from: normal sounds that are made for training and never scored.

A network that has to know only two machines learns little; more classes count for more than a larger network. No synthetic clip
reaches a detector, a calibration or a score table.
"""

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoo.data.names import Domain
from zoo.data.synth.fleet import DEV, EVAL
from zoo.data.synth.machines import Setting
from zoo.data.synth.recording import Take, record
from zoo.data.synth.sources import RATE


@dataclass(frozen=True)
class Auxiliary:
    """Waves int16 (clips, samples) at 16 kHz and the class of each, `synthetic/MACHINE/NUMBER OF ITS SETTING`."""

    waves: NDArray[np.int16]
    classes: tuple[str, ...]


def class_names(machines: int) -> list[str]:
    """The classes of the first so many synthetic machines: each setting of each domain is one."""
    return [
        f"synthetic/{machine.name}/{number}"
        for machine in (*DEV, *EVAL)[:machines]
        for number in range(len(machine.source) + len(machine.target))
    ]


def auxiliary(machines: int, clips: int, seconds: float, seed: int) -> Auxiliary:
    """`clips` normal clips of each of the first so many machines, their settings in turn; the same for the same seed."""
    waves, classes = [], []
    for machine in (*DEV, *EVAL)[:machines]:
        domains: list[tuple[Domain, tuple[Setting, ...]]] = [("source", machine.source), ("target", machine.target)]
        settings = [(setting, domain) for domain, of_it in domains for setting in of_it]
        for clip in range(clips):
            number = clip % len(settings)
            setting, domain = settings[number]
            rng = np.random.default_rng([seed, zlib.crc32(machine.name.encode()), 7, clip])
            waves.append(record(Take(machine, setting, domain, None, 0.0, seconds), rng))
            classes.append(f"synthetic/{machine.name}/{number}")
    samples = round(seconds * RATE)
    return Auxiliary(np.stack(waves) if waves else np.empty((0, samples), np.int16), tuple(classes))
