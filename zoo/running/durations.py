"""Lengths of time as people type and read them."""

import re

from zoo.errors import AsdzooError

_SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


def parse_duration(text: str, what: str) -> float:
    """Seconds of "8h", "30m", "1h30m", "1.5h" or "90s"; `what` names the option in messages.

    >>> parse_duration("1h30m", "--budget")
    5400.0

    Raises: AsdzooError for anything else, and for no time at all.
    """
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*([dhms])[a-z]*\s*", text.lower())
    rest = re.sub(r"(\d+(?:\.\d+)?)\s*([dhms])[a-z]*\s*", "", text.lower()).strip()
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if rest or seconds <= 0:
        raise AsdzooError(f"{what} {text} is no length of time", f"for example {what} 30m, {what} 8h, {what} 1h30m")
    return seconds


def spoken(seconds: float) -> str:
    """A length of time in two units at most.

    >>> spoken(5400), spoken(42.4), spoken(200_000)
    ('1 h 30 min', '42 s', '2 d 7 h')
    """
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours + (minutes >= 30), 24)
    return f"{days} d {hours} h" if hours else f"{days} d"
