"""Views: which waves of a recording a system hears.

near                  channel 0: in 2026 the microphone at the machine; the only channel of a mono recording
far                   channel 1: in 2026 the microphone away from it
channel:N             channel N
another name          a wave computed of the channels of the same clip: a file of `zoo/views/`, or of a plugin

What is computed is computed once, and is kept in the waveform store beside the channels.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from zoo import registry
from zoo.errors import AsdzooError, unknown_name

_CHANNELS = {"near": 0, "far": 1}


@dataclass(frozen=True)
class View:
    """One view of a recording: a stored channel, or a recipe that makes a wave of the first `needs` channels."""

    name: str
    channel: int | None  # the channel itself; None: computed by `recipe`
    needs: int  # channels that a recording must have

    @property
    def version(self) -> int:
        """What the view's module says; another one means other numbers. 1 of a stored channel, and where nothing is said."""
        return 1 if self.channel is not None else int(getattr(registry.module("view", self.name), "VERSION", 1))

    @property
    def recipe(self) -> Callable[[Tensor], Tensor] | None:
        """From waves (channels, samples) in [-1, 1] to the wave (samples,) of this view; None for a stored channel."""
        return None if self.channel is not None else registry.module("view", self.name).heard

    def require(self, channels: int, machine: str, clip: str, other_year: str | None = None) -> None:
        """Raises: AsdzooError when a recording with so many channels has no such view; `other_year`: not that of the run."""
        if channels < self.needs:
            problem = self.missing(channels, machine, clip)
            if other_year is not None:
                hint = "leave out --also, or take a system that hears near"
                raise AsdzooError(f"of {other_year}, {problem.message}", hint) from problem
            raise problem

    def missing(self, channels: int, machine: str, clip: str) -> AsdzooError:
        """The error for a recording with so many channels, which are not what the view needs."""
        has = f"{channels} channel{'s' if channels > 1 else ''}"
        if self.channel is not None:
            return AsdzooError(
                f"{machine} has {has}, so {clip} has no channel {self.channel}",
                f"channels count from 0: set input.channel to {' or '.join(str(number) for number in range(channels))}",
            )
        return AsdzooError(
            f"{machine} has {has}, and the view {self.name} needs a near and a far microphone ({clip})",
            "take a system that hears one channel, or --set input.view=near",
        )


def view_of(text: str) -> View:
    """The view that `input.view` names. Raises: AsdzooError for a name that is none, naming those there are."""
    kind, _, number = text.partition(":")
    if kind == "channel" and number.isascii() and number.isdigit():
        return View(text, int(number), int(number) + 1)
    if text in _CHANNELS:
        return View(text, _CHANNELS[text], _CHANNELS[text] + 1)
    if text in registry.names("view"):
        return View(text, None, int(registry.module("view", text).NEEDS))
    raise unknown_name("view", text, names())


def names() -> list[str]:
    """What `input.view` may be."""
    return [*_CHANNELS, "channel:N", *registry.names("view")]
