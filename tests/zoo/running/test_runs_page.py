"""docs/runs.md names what the records hold, no more and no less, and means by a mark what the commands say."""

import re
from pathlib import Path

from zoo.running.marks import MEANING
from zoo.running.records import RunInfo, SystemInfo, TaskInfo

PAGE = (Path(__file__).parents[3] / "docs" / "runs.md").read_text()


def rows(heading: str) -> dict[str, str]:
    """The table whose first column is called `heading`: names in backticks -> what is said of them."""
    lines = PAGE[PAGE.index(f"| {heading} |") :].split("\n\n")[0].splitlines()[2:]
    cells = [line.strip("| ").split(" | ") for line in lines]
    return {name: said for names, said in cells for name in re.findall(r"`([^`]+)`", names)}


def test_keys_are_those_of_the_records() -> None:
    assert list(rows("key")) == list(RunInfo.model_fields)
    assert list(rows("key of a system")) == list(SystemInfo.model_fields)
    assert set(rows("key of task.json")) == set(TaskInfo.model_fields)


def test_marks_mean_what_the_commands_say() -> None:
    assert rows("mark") == dict(MEANING)
