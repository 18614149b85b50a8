"""docs/own-machines.md is true: its commands run as typed, on a small machine, and end in right decisions."""

import csv
import re
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import soundfile

from submission.cli import main
from zoo.data.synth.fleet import DEV
from zoo.data.synth.machines import Fault
from zoo.data.synth.recording import Take, record
from zoo.data.synth.sources import RATE
from zoo.systems import load_system

PAGE = (Path(__file__).parents[1] / "docs" / "own-machines.md").read_text()
COMMANDS = re.findall(r"^\$ asdzoo (.*)$", PAGE, re.MULTILINE)
MACHINE = next(machine for machine in DEV if machine.name == "SynthFan")
BEGIN = datetime(2024, 1, 9, 12)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Recordings of a fan: 40 to learn from, the two of the page's labels.csv, four new ones of which the last two are bad."""
    random = np.random.default_rng(0)
    fault = MACHINE.faults[0]

    def put(folder: str, hour: int, fault: Fault | None) -> None:
        path = tmp_path / folder / f"pump_{BEGIN + timedelta(hours=hour):%Y%m%d_%H%M%S}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, record(Take(MACHINE, MACHINE.source[0], "source", fault, 1.0, 1.0), random), RATE)

    for hour in range(-40, 0):
        put("data/MyPump/train", hour, None)
    for hour in range(2):
        put("data/MyPump/test", hour, fault if hour else None)
    for hour in range(2, 6):
        put("new", hour, fault if hour > 3 else None)
        put("inbox", hour, fault if hour > 3 else None)
    labels = next(block for block in re.findall(r"```\n(.*?)```", PAGE, re.DOTALL) if block.startswith("file_name"))
    (tmp_path / "data" / "MyPump" / "labels.csv").write_text(labels)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_its_commands_run(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    looks: list[float] = []

    def pause(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) > 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("zoo.running.lookout.pause", pause)
    said = {}
    for command in COMMANDS:
        assert main(command.split()) == 0, command
        said[command.split()[0]] = capsys.readouterr().out
    assert len(COMMANDS) == 8
    for name in ("scored.csv", "watched.csv"):
        with (home / name).open(newline="") as file:
            assert [row["decision"] for row in csv.DictReader(file)] == ["OK", "OK", "ANOMALY", "ANOMALY"], name
    assert "1.0000" in said["evaluate"]
    page = (home / "runs" / "pump" / "report.html").read_text()
    assert '<section id="over-time"' in page


def test_its_systems_learn_without_classes() -> None:
    names = re.findall(r"`(\w+_knn|\w+_pca|autoencoder|nf_cdee|beats_frozen)`", PAGE)
    assert len(names) == 6
    for name in names:
        load_system(name)
