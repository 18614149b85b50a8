"""Runs to submit, made of score tables alone."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
import yaml

from submission.checking.rules import Part, rules_of
from zoo.files import write_text
from zoo.running.folder import Run
from zoo.scores import ScoreTable

TEAM = """\
institute: THUEE
name: A zoo of detectors
abbreviation: NF+LoRA
authors:
  - lastname: Jiang
    firstname: Anbai
    email: a@b.cn
    corresponding: true
    affiliation: {institution: Tsinghua University, department: Electronic Engineering, location: "Beijing, China"}
  - lastname: Müller
    firstname: Eva
    email: eva@c.de
    affiliation: {institution: C}
"""

SYSTEMS: dict[str, Any] = {
    "nf_cdee": {
        "config": {
            "input": {"sample_rate": 16000},
            "classes": "machine",
            "model": {"name": "nf_cdee"},
            "detector": {"name": "density"},
        },
        "parameters": {"total": 7_280_000, "trainable": 6_270_000},
        "macs": 6_000_000,
    },
    "beats_lora": {
        "config": {
            "input": {"sample_rate": 16000},
            "classes": "attributes",
            "model": {"name": "beats", "tuning": {"mode": "lora"}, "augment": {"frequency": 80, "time": 80}},
            "detector": {"name": "knn", "smote": {"neighbors": 5}},
        },
        "parameters": {"total": 90_300_000, "trainable": 3_900_000},
        "macs": 45_000_000_000,
    },
}


def table(
    year: str, name: str, parts: Sequence[Part], *, blind: bool = True, clips: int = 6, train: int = 40, seed: int = 0
) -> pd.DataFrame:
    """Scores of one system over `parts`: normal training clips of two domains, and test clips named as in that year."""
    random = np.random.default_rng(seed)
    rows = []
    for part in parts:
        for index in range(train):
            domain = part.domain or ("target" if index % 10 == 0 else "source")
            clip = f"section_{part.section}_{domain}_train_normal_{index:04d}_vel_1.wav"
            rows.append((part, "train", domain, "normal", clip))
        for index in range(clips):
            form = rules_of(year).clip_form.format(section=part.section).removesuffix(".wav")
            zeros = len(form) - len(form.rstrip("0"))
            clip = f"{form[:-zeros]}{index:0{zeros}d}.wav".replace(
                "_source_", f"_{part.domain}_" if part.domain else "_source_"
            )
            label, domain = "", part.domain
            if not blind:
                label, domain = ("anomaly", "normal")[index % 2], part.domain or ("source", "target")[index // 2 % 2]
                clip = f"section_{part.section}_{domain}_test_{label}_{index:04d}_vel_1.wav"
            rows.append((part, "test", domain, label, clip))
    scores = random.normal(size=len(rows))
    return pd.DataFrame(
        {
            "system": name,
            "year": year,
            "machine": [part.machine for part, *_ in rows],
            "section": [part.section for part, *_ in rows],
            "split": [row[1] for row in rows],
            "domain": [row[2] if year != "2020" else "" for row in rows],
            "label": [row[3] for row in rows],
            "clip": [row[4] for row in rows],
            "score": scores,
            "calibrated": scores,
        }
    )


MakeRun = Callable[..., Run]


def make_run_in(
    folder: Path,
    year: str = "2024",
    ensembles: Mapping[str, Mapping[str, Mapping[str, float]]] | None = None,
    parts: Sequence[Part] | None = None,
    development: Sequence[str] = (),
    **options: Any,
) -> Run:
    """Write a run of score tables alone, and a team.yaml beside it.

    `ensembles` maps a name to its weights (group -> member -> weight); `development` machines are labelled.
    """
    run = Run(folder / "run")
    run.update_info(year=year, systems=SYSTEMS, marks=[])
    if ensembles is None:
        ensembles = {"both": {"others": {"nf_cdee": 0.5, "beats_lora": 0.5}}}
    for number, (name, weights) in enumerate(ensembles.items()):
        frame = table(year, name, rules_of(year).parts() if parts is None else parts, seed=number, **options)
        if development:
            labelled = table(year, name, [Part(machine, "00") for machine in development], blind=False, clips=40, seed=number)
            frame = pd.concat([frame, labelled])
        ScoreTable(frame).write(run.score_path(name))
        content = {"description": "of the tests", "weights": {group: dict(row) for group, row in weights.items()}}
        write_text(run.folder / "ensembles" / f"{name}.yaml", yaml.safe_dump(content, sort_keys=False))
    write_text(folder / "team.yaml", TEAM)
    return run


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """`make_run_in` the test's own folder."""
    return partial(make_run_in, tmp_path)


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """A technical report."""
    path = tmp_path / "paper.pdf"
    path.write_bytes(b"%PDF-1.7\n" + b"% a page\n" * 40 + b"%%EOF\n")
    return path


@pytest.fixture
def tiny_wav(tmp_path: Path) -> bytes:
    """A recording of 0.1 s."""
    path = tmp_path / "tiny.wav"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 1600), 16000)
    return path.read_bytes()
