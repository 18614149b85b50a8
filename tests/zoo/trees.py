"""Small trees of recordings for tests: tiny wavs in the layout of any challenge year, or of one's own.

data = write_tree(tmp_path, "2024", machines=["fan", "gearbox"])
data = write_tree(tmp_path, "own", machines=["MyPump"], domains=True)
"""

import csv
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import soundfile

from zoo.data.years import YEARS

RATE = 16_000


def write_wav(
    path: Path,
    seconds: float = 0.05,
    rate: int = RATE,
    channels: int = 1,
    subtype: str = "PCM_16",
    samples: np.ndarray | None = None,
) -> Path:
    """A wav of `samples`, or of a tone in noise told by its name and whether it is in test/ (another one in each channel)."""
    if samples is None:
        told = f"test/{path.name}" if path.parent.name == "test" else path.name
        seed = int.from_bytes(hashlib.sha256(told.encode()).digest()[:4], "little")
        generator = np.random.default_rng(seed)
        time = np.arange(round(seconds * rate)) / rate
        tones = np.sin(2 * np.pi * time[:, None] * generator.uniform(200, 2000, channels))
        samples = 0.2 * tones + 0.05 * generator.standard_normal(tones.shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, subtype=subtype)
    return path


def write_tree(
    root: Path,
    year: str,
    machines: Sequence[str] | None = None,
    train: int = 4,
    test: int = 2,
    seconds: float = 0.05,
    blind: bool = False,
    domains: bool = True,
) -> Path:
    """Write machines of a year and return the folder to give to `--data`.

    Without `machines`: the first development and the first evaluation machine. `train` counts training clips of each machine
    and section, of which the last is of the target domain; `test` counts test clips of each {domain} x {label}. `blind` writes
    evaluation names in `test/`. Year "own" writes names of the challenge when `domains`, and plain numbers otherwise.
    """
    if year == "own":
        data = root / "recordings"
        for machine in machines or ["MyPump"]:
            _write_machine(data / machine, year, machine, train, test, seconds, blind, "challenge" if domains else "plain")
        return data
    facts = YEARS[year]
    data = root / f"dcase{year}t2"
    for machine in machines or dict.fromkeys((facts.development[0], facts.evaluation[0])):
        subset = "dev_data" if machine in facts.development else "eval_data"
        _write_machine(data / subset / "raw" / machine, year, machine, train, test, seconds, blind, "challenge")
    return data


HIDDEN = {  # machines whose attributes the organisers hide
    "2024": ("gearbox", "slider", "ToyTrain", "AirCompressor", "HoveringDrone", "ToothBrush", "BrushlessMotor"),
    "2025": ("ToyTrain", "bearing", "slider", "AutoTrash", "Polisher", "ScrewFeeder", "ToyPet"),
    "2026": ("ToyCar", "bearingEmu", "sliderEmu", "valveEmu", "SewingMachine", "ToothBrush"),  # unverified
}


def clip_name(
    section: str,
    index: int,
    domain: str = "",
    split: str = "",
    label: str = "",
    attributes: str | None = None,
    year: str = "2024",
) -> str:
    """A file name of the challenge; what is "" or None is left out."""
    if year == "2020":
        return f"{label}{'_' if label else ''}id_{section}_{index:08d}.wav"
    words = ["section", section, domain, split, label, f"{index:04d}"]
    return "_".join([word for word in words if word] + ([] if attributes is None else [attributes])) + ".wav"


def _write_machine(
    folder: Path, year: str, machine: str, train: int, test: int, seconds: float, blind: bool, names: str
) -> None:
    facts = YEARS.get(year)
    channels = facts.channels if facts else 1
    hidden = machine in HIDDEN.get(year, ())
    for section in facts.sections(machine)[:2] if facts and machine in facts.machines else ["00"]:
        written = []
        for split, name in _names(year, section, train, test, blind, names, hidden):
            write_wav(folder / split / name, seconds, channels=channels)
            written.append(f"{machine}/{split}/{name}")
        if facts is None or year >= "2022":
            _write_attributes(folder / f"attributes_{section}.csv", written, hidden)


def _names(year: str, section: str, train: int, test: int, blind: bool, names: str, hidden: bool) -> Iterable[tuple[str, str]]:
    if names == "plain":
        yield from (("train", f"{index:03d}.wav") for index in range(train))
        yield from (("test", f"{index:03d}.wav") for index in range(4 * test))
        return
    for index in range(train):
        domain = "target" if index == train - 1 else "source"
        attributes = "noAttribute" if hidden else f"spd_{index % 2}_mic_1"
        yield "train", clip_name(section, index, domain, "train", "normal", attributes, year)
    cases = [(domain, label) for domain in ("source", "target") for label in ("normal", "anomaly")]
    for count, (domain, label) in enumerate(case for case in cases for _ in range(test)):
        folder = f"{domain}_test" if year == "2021" else "test"
        if blind:
            yield folder, clip_name(section, count, *((domain, "test") if year == "2021" else ()), year=year)
        else:
            attributes = None if year == "2021" else "noAttribute" if hidden else f"spd_{count % 2}_mic_1"
            yield folder, clip_name(section, count, domain, "test", label, attributes, year)
    if year == "2025":
        yield from (("supplemental", f"section_{section}_machine_{index:04d}_.wav") for index in range(1, 3))


def _write_attributes(path: Path, files: Sequence[str], hidden: bool) -> None:
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file_name"] if hidden else ["file_name", "d1p", "d1v", "d2p", "d2v"])
        for name in files:
            speed = name.rpartition("_mic_1")[0][-1:]
            table.writerow([name] if hidden else [name, "spd", speed, "mic", "1"])
