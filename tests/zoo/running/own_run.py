"""A machine of one's own, and runs on it, made once a session: normal recordings, and anomalies that everybody hears."""

from pathlib import Path

import numpy as np

from tests.zoo.trees import write_wav

RATE = 16000


def hum(seed: int, seconds: float = 1.0, fault: bool = False) -> np.ndarray:
    """A machine's sound (n,), int16; a fault is a whistle."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    wave = 0.1 * np.sin(2 * np.pi * 120 * time) + 0.02 * random.normal(size=len(time))
    if fault:
        wave += 0.1 * np.sin(2 * np.pi * 3000 * time)
    return np.asarray(wave * 32767, np.int16)


def write_machine(data: Path, machine: str = "MyPump", train: int = 20, test: int = 4, labels: bool = True) -> Path:
    """Train and test folders; the first half of the test clips is normal, and labels.csv says so."""
    for number in range(train):
        write_wav(data / machine / "train" / f"train{number}.wav", samples=hum(number))
    for number in range(test):
        write_wav(data / machine / "test" / f"test{number}.wav", samples=hum(1000 + number, fault=number >= test // 2))
    if labels:
        rows = [f"test{number}.wav,{'normal' if number < test // 2 else 'anomaly'}" for number in range(test)]
        (data / machine / "labels.csv").write_text("\n".join(["file_name,label", *rows]) + "\n")
    return data
