"""When a recording was made: from its name, as recorders write it, or from the time of its file."""

import re
from datetime import datetime
from pathlib import Path
from typing import Literal

TimeFrom = Literal["name", "file"]

# 20240102_030405, 2024-01-02T03-04-05, 2024-01-02 03.04, 20240102030405; the date may be a folder's name: 2024-01-02/03-04-05
_STAMP = re.compile(
    r"(?<!\d)(?P<year>(?:19|20)\d\d)([-_.]?)(?P<month>\d\d)\2(?P<day>\d\d)[T _/.-]?[^\d/]{0,12}?"
    r"(?P<hour>\d\d)([-_.:h]?)(?P<minute>\d\d)(?:[-_.:m]?(?P<second>\d\d))?(?!\d)"
)


def recorded(path: Path) -> tuple[datetime, TimeFrom]:
    """Local time of a recording, to the second, and where it is from. Raises: OSError when the file is gone.

    >>> recorded(Path("pump_20240102_030405.wav"))
    (datetime.datetime(2024, 1, 2, 3, 4, 5), 'name')
    """
    for name in (path.stem, f"{path.parent.name}/{path.stem}"):
        for match in _STAMP.finditer(name):
            parts = {key: int(value) for key, value in match.groupdict(default="0").items()}
            try:
                return datetime(**parts), "name"  # type: ignore[arg-type]
            except ValueError:
                continue
    return datetime.fromtimestamp(path.stat().st_mtime).replace(microsecond=0), "file"
