"""Freed memory stays with the process."""

import subprocess
import sys

import pytest

from zoo.training import memory

FAULTS = """
import resource, torch
from zoo.training.memory import keep_freed_memory

kept = {keep} and keep_freed_memory()
step = lambda: [torch.ones(2**23) for _ in range(8)]
step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(4):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before, kept)
"""


def faults(*, keep: bool) -> tuple[int, bool]:
    """Page faults of making eight tensors of 32 MiB four times after they were made once, in a process of its own."""
    command = [sys.executable, "-c", FAULTS.format(keep=keep)]
    count, kept = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return int(count), kept == "True"


def test_large_tensors_take_the_memory_of_those_before() -> None:
    kept, done = faults(keep=True)
    if not done:
        pytest.skip("needs glibc")
    assert kept < faults(keep=False)[0] / 2


def test_without_glibc_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _: object())
    assert not memory.keep_freed_memory()
