"""Small runs without training: score tables and run.json written directly."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from zoo.calibration import Calibration
from zoo.running.folder import Run
from zoo.scores import ScoreTable

SYSTEMS = ("alpha", "beta", "gamma")
MACHINES = ("gearbox", "slider", "fan", "valve")


def make_table(
    system: str,
    machines: Mapping[str, float] | Sequence[str] = MACHINES,
    *,
    year: str = "2024",
    labelled: Sequence[str] | None = None,
    sections: Sequence[str] = ("00",),
    clips: int = 10,
    train: int = 20,
    domains: bool = True,
    seed: int = 0,
) -> ScoreTable:
    """Scores of one system: per section `train` training clips and `clips` test clips of each (domain, label).

    `machines` may give each machine the distance of its anomalies in standard deviations (1 otherwise); machines that are not
    in `labelled` (all by default) have blind test clips. The noise of a clip is partly shared by all systems. Tables are made
    once; copy a frame before changing it.
    """
    if not isinstance(machines, Mapping):
        machines = dict.fromkeys(machines, 1.0)
    key = repr((system, machines, year, labelled, sections, clips, train, domains, seed))
    if key not in _MADE:
        _MADE[key] = _made(system, machines, year, labelled, sections, clips, train, domains, seed)
    return _MADE[key]


_MADE: dict[str, ScoreTable] = {}


def _made(
    system: str,
    machines: Mapping[str, float],
    year: str,
    labelled: Sequence[str] | None,
    sections: Sequence[str],
    clips: int,
    train: int,
    domains: bool,
    seed: int,
) -> ScoreTable:
    rows: list[dict[str, object]] = []
    for machine, distance in machines.items():
        for section in sections:
            key = sum(map(ord, machine + section))
            shared, own = np.random.default_rng([seed, key]), np.random.default_rng([seed, key, sum(map(ord, system))])
            for split, count in (("train", train), ("test", 4 * clips)):
                noise = shared.normal(size=count) + own.normal(size=count)
                for index in range(count):
                    target, anomaly = index % 2 == 1, split == "test" and index % 4 >= 2
                    said = split == "train" or labelled is None or machine in labelled
                    rows.append(
                        {
                            "system": system,
                            "year": year,
                            "machine": machine,
                            "section": section,
                            "split": split,
                            "domain": ("target" if target else "source") if said and domains else "",
                            "label": ("anomaly" if anomaly else "normal") if said else "",
                            "clip": f"section_{section}_{split}_{index:04d}.wav",
                            "score": 5 + 2 * (noise[index] + distance * anomaly),
                            "calibrated": 0.0,
                        }
                    )
    table = ScoreTable(pd.DataFrame(rows))
    return Calibration.fit(table).apply(table)


def make_run(folder: Path, tables: Mapping[str, ScoreTable]) -> Run:
    """A run folder with these score tables."""
    run = Run(folder)
    folder.mkdir(parents=True, exist_ok=True)
    run.update_info(year=next(iter(tables.values())).year, systems={system: {} for system in tables}, marks=[])
    for system, table in tables.items():
        table.write(run.score_path(system))
    return run


def usual_run(folder: Path, **options: object) -> Run:
    """Three systems on four machines, `gamma` good on the periodic ones only."""
    good = dict.fromkeys(MACHINES, 1.5)
    tables = {
        "alpha": make_table("alpha", good, **options),  # type: ignore[arg-type]
        "beta": make_table("beta", dict.fromkeys(MACHINES, 1.0), **options),  # type: ignore[arg-type]
        "gamma": make_table("gamma", {"gearbox": 3.0, "slider": 3.0, "fan": 0.0, "valve": 0.0}, **options),  # type: ignore[arg-type]
    }
    return make_run(folder, tables)
