"""One system's judgement of one machine and section, fitted once and asked often; nothing of the run is written.

Scores are those that `asdzoo score` would write for the same recordings.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from zoo.calibration import Calibration
from zoo.data.clips import Clip
from zoo.data.store import WaveformStore
from zoo.detectors import Detector, FloatArray
from zoo.errors import AsdzooError, unknown_name
from zoo.networks import Embedder
from zoo.running.embeddings import Embeddings
from zoo.running.folder import Run
from zoo.running.records import SystemInfo
from zoo.running.stages import load_network
from zoo.running.task_folder import TaskFolder
from zoo.scores import ScoreTable
from zoo.systems import System, system_of
from zoo.threshold import Method, Threshold, fit_threshold
from zoo.training.devices import accelerator_for


@dataclass(frozen=True)
class Scorer:
    """A trained network, a fitted detector, and the scale of its scores."""

    system: System
    network: Embedder
    detector: Detector
    calibration: Calibration
    training: pd.DataFrame  # rows of the run's score table for the training clips of this machine and section

    @classmethod
    def load(cls, run: Run, system: str, machine: str, section: str, device: str) -> "Scorer":
        """Raises: AsdzooError when the run has no such system, machine or section, or a part of it is gone."""
        entry = system_entry(run, system)
        made = system_of(system, entry.config, f"{run.folder}/run.json")
        folder = task_of(run, system, machine)
        network = load_network(made, folder, accelerator_for(device))
        training = Embeddings.read(folder.embeddings(machine)).rows(section, "train")
        if not training.clips:
            raise AsdzooError(f"{system} has no training clips of {machine} section {section}", "train it on them first")
        detector = made.build_detector(network, list(folder.info().classes)).fit(training.values, training.clips)
        frame = run.scores(system).frame
        own = frame[(frame["machine"] == machine) & (frame["section"] == section) & (frame["split"] == "train")]
        return cls(made, network, detector, Calibration.load(run.system_folder(system) / "calibration.json"), own)

    def score(self, store: WaveformStore, indices: Sequence[int]) -> ScoreTable:
        """Scores of clips of the store, below those of the training clips, as one table; clips need names of their own."""
        embedded: FloatArray = self.system.embed(self.network, store, np.asarray(indices, np.int64))
        clips: list[Clip] = [store.clips[index] for index in indices]
        fresh = self.calibration.apply(ScoreTable.of_clips(self.system.name, clips, self.detector.score(embedded)))
        return ScoreTable(pd.concat([self.training, fresh.frame], ignore_index=True))


def system_entry(run: Run, system: str) -> SystemInfo:
    """What run.json says of a system. Raises: AsdzooError for one that was not trained in this run."""
    systems = run.info().systems
    if system not in systems:
        raise unknown_name("system of this run", system, systems)
    return systems[system]


def task_of(run: Run, system: str, machine: str) -> TaskFolder:
    """The task of a system that has a machine. Raises: AsdzooError when none has."""
    folders = [TaskFolder(run.system_folder(system) / task) for task in system_entry(run, system).tasks]
    known: list[str] = []
    for folder in folders:
        machines = folder.info().machines
        if machine in machines:
            return folder
        known += machines
    raise unknown_name(f"machine of {system}", machine, sorted(known))


def judged(table: ScoreTable, method: Method, percentile: float) -> tuple[pd.DataFrame, Threshold]:
    """The test clips of one part's table with `threshold` and `decision` (1: anomalous), from its training clips."""
    frame = table.frame
    training = frame[(frame["split"] == "train") & (frame["label"] != "anomaly")]
    fresh = frame[frame["split"] == "test"]
    found = fit_threshold(training["score"].to_numpy(), method, percentile)
    return fresh.assign(threshold=found.value, decision=found.decide(fresh["score"].to_numpy())), found
