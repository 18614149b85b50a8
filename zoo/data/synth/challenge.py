"""Which clips the synthetic challenge has, what they are called, and the tree they are written to.

The tree is that of the organisers' baseline for 2024, and for the hidden labels of the evaluation set that of their evaluator:

    OUT/dcase2024t2/dev_data/raw/MACHINE/{train,test}/*.wav, attributes_00.csv
    OUT/dcase2024t2/eval_data/raw/MACHINE/{train,test}/*.wav, attributes_00.csv
    OUT/dcase2024t2/ground_truth/ground_truth_{data,domain,attributes}/ground_truth_MACHINE_section_00_test.csv
    OUT/dcase2024t2/ground_truth/ground_truth_faults/...            ours: fault and strength of every anomaly, dev and eval

With two channels OUT/dcase2026t2 takes the place of OUT/dcase2024t2.
"""

import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from zoo.data.names import Domain, Label
from zoo.data.synth.damage import ANY_MACHINE, worse
from zoo.data.synth.fleet import DEV, EVAL
from zoo.data.synth.machines import Fault, Setting
from zoo.data.synth.recording import Machine, Take, record, record_in_room
from zoo.data.synth.sessions import DAYS
from zoo.data.synth.sources import RATE
from zoo.data.wavs import write_wav
from zoo.errors import AsdzooError, unknown_name
from zoo.files import whole_folder, write_text
from zoo.progress import Progress, unseen

Size = Literal["tiny", "small", "full"]

YEAR_FOLDERS = {1: "dcase2024t2", 2: "dcase2026t2"}  # by channels: the challenge has two since 2026


@dataclass(frozen=True)
class _Extent:
    """How much of the challenge a size writes."""

    dev: tuple[str, ...]  # machines, without `Synth`; empty = all
    evaluation: tuple[str, ...]
    source_train: int
    target_train: int
    test: int  # for each of source and target, normal and anomaly
    seconds: float | None  # None = 10, or 12 for the toy vehicles
    varied: bool = True  # recordings differ by day and clip, damage is also that of any machine; tiny is as in 0.1


_EXTENTS = {
    "tiny": _Extent(("Fan", "Gearbox"), ("RoboticArm",), 24, 4, 6, 2.0, varied=False),
    "small": _Extent(
        ("Bearing", "Gearbox", "Slider", "ToyTrain", "Valve"), ("HairDryer", "RoboticArm", "Scanner"), 100, 10, 25, 4.0
    ),
    "full": _Extent((), (), 990, 10, 50, None),
}


@dataclass(frozen=True)
class Recording:
    """One clip to be made: all that its samples depend on, beside the seed."""

    machine: Machine
    folder: str  # below the machine's: train or test
    released: str  # stem on disk
    true: str  # stem that says everything, attributes included
    domain: Domain
    label: Label
    setting: Setting
    fault: Fault | None
    strength: float
    entropy: tuple[int, ...]  # of its random numbers, whatever thread makes it and whenever
    day: tuple[int, ...]  # of those that all recordings of one day have
    seconds: float
    channels: int = 1

    @property
    def take(self) -> Take:
        """What is recorded, without its name and place on disk."""
        return Take(self.machine, self.setting, self.domain, self.fault, self.strength, self.seconds, self.day)


def write_challenge(
    out: Path,
    size: Size,
    seed: int = 0,
    progress: Progress = unseen,
    workers: int | None = None,
    channels: int = 1,
) -> list[Path]:
    """Write the synthetic challenge below `out` and return the folders of its machines, development set first.

    With two `channels` every clip is heard by two microphones in a room, and the tree is that of 2026.
    `progress` is called with (clips written, clips in all). The same size and seed give the same bytes, whatever the number of
    `workers` (threads; None = as many as there are cores).

    Raises: AsdzooError for an unknown size, other channels than 1 or 2, a negative seed, or when the tree is there and holds
    something.
    """
    if size not in _EXTENTS:
        raise unknown_name("size", size, get_args(Size))
    if seed < 0:
        raise AsdzooError(f"the seed {seed} is negative", "take 0 or a larger number")
    if channels not in YEAR_FOLDERS:
        raise AsdzooError(f"--channels {channels}: recordings have one channel or two", "--channels 2 is the layout of 2026")
    root = out / YEAR_FOLDERS[channels]
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise AsdzooError(f"{root} is there already", f"name another folder, or remove it first: rm -r {root}")
    sets = {subset: plan(size, subset, seed, channels) for subset in ("dev_data", "eval_data")}
    with whole_folder(root) as aside:
        truth = aside / "ground_truth"
        jobs = []
        for subset, machines in sets.items():
            for machine, recordings in machines.items():
                folder = aside / subset / "raw" / machine.name
                for split in ("train", "test"):
                    (folder / split).mkdir(parents=True)
                jobs += [(recording, folder / recording.folder / f"{recording.released}.wav") for recording in recordings]
                _write_attributes(folder / "attributes_00.csv", machine, recordings, blind=subset == "eval_data")
                _write_truth(truth, machine, recordings, blind=subset == "eval_data")
        with ThreadPoolExecutor(workers) as pool:
            for done, _ in enumerate(pool.map(_write_clip, *zip(*jobs, strict=True)), start=1):
                progress(done, len(jobs))
    return [root / subset / "raw" / machine.name for subset, machines in sets.items() for machine in machines]


def plan(size: Size, subset: str, seed: int, channels: int = 1) -> dict[Machine, list[Recording]]:
    """Every recording of a subset (dev_data or eval_data) by machine, training clips first."""
    extent = _EXTENTS[size]
    fleet, chosen = (DEV, extent.dev) if subset == "dev_data" else (EVAL, extent.evaluation)
    machines = [machine for machine in fleet if not chosen or machine.name.removeprefix("Synth") in chosen]
    if extent.varied:
        machines = [_varied(machine) for machine in machines]
    recordings = {machine: _recordings(machine, extent, seed, blind=subset == "eval_data") for machine in machines}
    return {machine: [replace(clip, channels=channels) for clip in clips] for machine, clips in recordings.items()}


def _varied(machine: Machine) -> Machine:
    """A machine whose recordings differ though it is healthy, and that has damage of any machine beside its own."""
    return replace(machine, varied=True, faults=(*map(worse, machine.faults), *ANY_MACHINE))


def _recordings(machine: Machine, extent: _Extent, seed: int, blind: bool) -> Iterator[Recording]:
    root = (seed, zlib.crc32(machine.name.encode()))
    rng = np.random.default_rng(root)
    first = machine.first_index if blind else 1
    seconds = extent.seconds or machine.seconds
    days = DAYS if machine.varied else 1

    def group(split: str, domain: Domain, label: Label, count: int, code: int) -> list[Recording]:
        """Clips of one domain and label: settings (and faults) in turn, strengths evenly from 0 to 1, in random order."""
        settings = machine.settings(domain)
        strengths = rng.permutation((np.arange(count) + 0.5) / count) if label == "anomaly" else np.zeros(count)
        turns = rng.permutation(count)
        made = []
        for number in range(count):
            turn, place = divmod(int(turns[number]), len(settings))
            setting = settings[place]
            stem = f"section_00_{domain}_{split}_{label}_{first + number:04d}"
            true = f"{stem}_{attribute_string(machine, setting)}"
            released = f"{stem}_noAttribute" if machine.hidden else true
            fault = machine.faults[number % len(machine.faults)] if label == "anomaly" else None
            made.append(
                Recording(
                    machine, split, released, true, domain, label, setting, fault, strengths[number],
                    (*root, code, number), (*root, 7 + (domain == "target"), turn % days), seconds,
                )
            )  # fmt: skip
        return made

    # Codes from 1 on: numpy pads entropy with zeros, so (seed, machine, 0, 0) would be `rng` over again.
    yield from group("train", "source", "normal", extent.source_train, 1)
    yield from group("train", "target", "normal", extent.target_train, 2)
    test = group("test", "source", "normal", extent.test, 3) + group("test", "source", "anomaly", extent.test, 4)
    test += group("test", "target", "normal", extent.test, 5) + group("test", "target", "anomaly", extent.test, 6)
    if blind:
        order = rng.permutation(len(test))
        test = [_blinded(test[chosen], first + place) for place, chosen in enumerate(order)]
    yield from test


def attribute_string(machine: Machine, setting: Setting) -> str:
    """Attributes as a file name has them: `vel_4_loc_A`, or `spd1000_BckgC` for the machines that glue key and value."""
    between = "" if machine.glued else "_"
    return "_".join(f"{key}{between}{value}" for key, value in setting.attributes)


def _blinded(recording: Recording, index: int) -> Recording:
    return replace(recording, released=f"section_00_{index:04d}")


def _write_clip(recording: Recording, path: Path) -> None:
    rng = np.random.default_rng(np.random.SeedSequence(recording.entropy))
    make = record if recording.channels == 1 else record_in_room
    write_wav(path, make(recording.take, rng), RATE)


def _write_attributes(path: Path, machine: Machine, recordings: list[Recording], blind: bool) -> None:
    """The CSV of attributes: of all clips, or of the training clips alone where the test is blind.

    File names have their folder and suffix, but for the toys, as in 2024; where attributes are hidden there is no other column.
    """
    told = [recording for recording in recordings if not (blind and recording.folder == "test")]
    keys = 0 if machine.hidden else len(machine.source[0].attributes)
    lines = [",".join(["file_name", *(f"d{number}{part}" for number in range(1, keys + 1) for part in "pv")])]
    for recording in told:
        toy = machine.name.startswith("SynthToy")
        name = recording.released if toy else f"{machine.name}/{recording.folder}/{recording.released}.wav"
        pairs = [] if machine.hidden else [part for pair in recording.setting.attributes for part in pair]
        lines.append(",".join([name, *pairs]))
    write_text(path, "\n".join(lines) + "\n")


def _write_truth(truth: Path, machine: Machine, recordings: list[Recording], blind: bool) -> None:
    """What the names of the test clips do not say: for a blind test its labels, and always the faults."""
    test = sorted(
        (recording for recording in recordings if recording.folder == "test"), key=lambda recording: recording.released
    )
    tables: dict[str, list[str]] = {
        "faults": [f"{clip.released}.wav,{clip.fault.name},{clip.strength:.3f}" for clip in test if clip.fault]
    }
    if blind:
        tables["data"] = [f"{clip.released}.wav,{int(clip.label == 'anomaly')}" for clip in test]
        tables["domain"] = [f"{clip.released}.wav,{int(clip.domain == 'target')}" for clip in test]
        tables["attributes"] = [f"{clip.released}.wav,{_true_names(machine, clip)}" for clip in test]
    for kind, lines in tables.items():
        folder = truth / f"ground_truth_{kind}"
        write_text(folder / f"ground_truth_{machine.name}_section_00_test.csv", "\n".join(lines) + "\n")


def _true_names(machine: Machine, clip: Recording) -> str:
    """The true stem; where attributes are hidden, the stem without them and then the one with them."""
    if not machine.hidden:
        return clip.true
    stem = clip.true.removesuffix(f"_{attribute_string(machine, clip.setting)}")
    return f"{stem}_noAttribute,{clip.true}"
