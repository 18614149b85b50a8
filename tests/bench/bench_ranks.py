"""Whether members rank on the synthetic challenge as on real recordings: `python tests/bench/bench_ranks.py SYNTH REAL ...`.

Each folder is a tree of recordings with labels. Members without training are made of the zoo's own parts: every
combination of spectrum, statistic, neighbours, metric, scale and rescaling. Printed is Spearman's rank correlation of their
official scores, for each pair of folders; how well a folder agrees with itself, between halves of its test clips (what a
folder as large agrees with it at most, by Spearman and Brown); and how much each choice is worth in each folder.

With `--runs` the folders are runs that were judged by `asdzoo evaluate`: the systems that all of them have are the members.
"""

import argparse
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import hmean, spearmanr
from sklearn.metrics import roc_auc_score

from zoo import registry
from zoo.data.clips import Clip, find_clips
from zoo.data.store import WaveformStore
from zoo.models.log_mel import Config, LogMelStatistics

HALVES = 5  # ways to halve the test clips
Scores = dict[tuple[str, ...], dict[str, np.ndarray]]  # of the test clips of each machine, by member

SPECTRA = [(256, 32), (1024, 64), (1024, 128), (4096, 128)]  # window in samples, mel bins
STATISTICS = ["mean", "mean_std", "quantiles"]
CHOICES = ("window", "statistic", "detector", "standardised")


def detectors() -> Iterator[tuple[str, bool, dict[str, Any]]]:
    """What is compared: name, whether standardised, and the block of the YAML."""
    for k, metric, standardise, rescale in itertools.product(
        (1, 2), ("euclidean", "cosine"), (False, True), ("none", "domain_z")
    ):
        if metric == "cosine" and standardise:
            continue  # scored by literal refits, which takes minutes
        block = {"k": k, "metric": metric, "standardise": standardise, "rescale": rescale}
        yield f"{k}-NN {metric} {rescale}", standardise, {"name": "knn", **block}
    for standardise in (False, True):
        yield "PCA", standardise, {"name": "pca", "standardise": standardise}


def figures(scores: np.ndarray, clips: list[Clip]) -> list[float]:
    """AUC source, AUC target and pAUC of one machine's test clips."""
    anomalous = np.array([clip.label == "anomaly" for clip in clips])
    rows = {domain: np.array([clip.domain == domain for clip in clips]) | anomalous for domain in ("source", "target")}
    areas = [float(roc_auc_score(anomalous[row], scores[row])) for row in rows.values()]
    return [*areas, float(roc_auc_score(anomalous, scores, max_fpr=0.1))]


def official(areas: list[float]) -> float:
    return float(hmean(np.maximum(areas, np.finfo(float).eps)))


def scored(folder: Path, year: str | None) -> tuple[Scores, dict[str, list[Clip]]]:
    """The scores that every member gives the test clips of the machines that have labels, and those clips."""
    store = WaveformStore.open(find_clips(folder, year), folder.parent / f".waves-{folder.name}")
    labelled = sorted({clip.machine for clip in store.clips if clip.split == "test" and clip.label})
    indices = {
        (machine, split): [i for i, clip in enumerate(store.clips) if (clip.machine, clip.split) == (machine, split)]
        for machine in labelled
        for split in ("train", "test")
    }
    every: Scores = {}
    for (window, mels), statistic in itertools.product(SPECTRA, STATISTICS):
        config = Config.model_validate({"window": window, "hop": window // 2, "mels": mels, "statistics": statistic})
        embedder = LogMelStatistics(config, 16_000)
        for machine in labelled:
            train, test = (_embedded(embedder, store, indices[machine, split]) for split in ("train", "test"))
            for name, standardise, block in detectors():
                module = registry.module("detector", block["name"])
                settings = module.Config.model_validate({key: value for key, value in block.items() if key != "name"})
                detector = module.build(settings).fit(train, [store.clips[i] for i in indices[machine, "train"]])
                every.setdefault((f"{window}/{mels}", statistic, name, str(standardise)), {})[machine] = detector.score(test)
    return every, {machine: [store.clips[i] for i in indices[machine, "test"]] for machine in labelled}


def judged(scores: Scores, clips: dict[str, list[Clip]], rows: dict[str, np.ndarray] | None = None) -> list[float]:
    """The official score of every member, on all test clips or on those `rows` of each machine."""
    rows = rows or {machine: np.arange(len(own)) for machine, own in clips.items()}
    chosen = {machine: [clips[machine][row] for row in own] for machine, own in rows.items()}
    return [
        official([area for machine, own in rows.items() for area in figures(of[machine][own], chosen[machine])])
        for of in scores.values()
    ]


def halves(clips: dict[str, list[Clip]], rng: np.random.Generator) -> list[dict[str, np.ndarray]]:
    """The test clips of each machine in two halves, with as many of each domain and label in both."""
    parts: list[dict[str, np.ndarray]] = [{}, {}]
    for machine, own in clips.items():
        kinds = np.array([f"{clip.domain} {clip.label}" for clip in own])
        shuffled = [rng.permutation(np.flatnonzero(kinds == kind)) for kind in sorted(set(kinds))]
        for part, rows in enumerate(parts):
            rows[machine] = np.concatenate([of_kind[part::2] for of_kind in shuffled])
    return parts


def agreement(one: list[float], other: list[float]) -> float:
    return float(spearmanr(one, other).statistic)


def evaluated(run: Path) -> dict[str, dict[str, float]]:
    """The official score of each system, over the machines of a judged run and on each of them."""
    table = pd.read_csv(run / "evaluation.csv")
    table = table[table["machine"] != "all"]
    areas = ["auc_source", "auc_target", "pauc"]
    parts = {run.name: table} | {f"{run.name}, {machine}": own for machine, own in table.groupby("machine")}
    return {
        name: {str(system): official(list(own[areas].to_numpy().ravel())) for system, own in part.groupby("system")}
        for name, part in parts.items()
    }


def _embedded(embedder: LogMelStatistics, store: WaveformStore, rows: list[int]) -> np.ndarray:
    waves = [store.batch(np.array(rows[start : start + 16])) for start in range(0, len(rows), 16)]
    return torch.cat([embedder(*batch) for batch in waves])[:, None].numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--runs", action="store_true", help="the folders are runs")
    arguments = parser.parse_args()
    if arguments.runs:
        compare_runs(arguments.folders[0], arguments.folders[1:])
    else:
        compare_folders(arguments.folders)


def compare_runs(first: Path, others: list[Path]) -> None:
    """The first run as a whole with the others and each of their machines, over the systems that all have."""
    one = evaluated(first)[first.name]
    tables = {name: table for run in others for name, table in evaluated(run).items()}
    members = sorted(set(one).intersection(*tables.values()))
    print(f"{len(members)} members: {', '.join(members)}")
    for name, table in tables.items():
        agreed = agreement([one[member] for member in members], [table[member] for member in members])
        print(f"{first.name} and {name}: rank correlation {agreed:.2f}")


def compare_folders(folders: list[Path]) -> None:
    values = {}
    for folder in folders:
        scores, clips = scored(folder, "2024" if any(folder.rglob("Synth*")) else "own")
        values[folder.name], members = judged(scores, clips), list(scores)
        rng = np.random.default_rng(0)
        parts = [[judged(scores, clips, rows) for rows in halves(clips, rng)] for _ in range(HALVES)]
        half = float(np.mean([agreement(*two) for two in parts]))
        print(f"{folder.name}: halves agree by {half:.2f}, another one as large would by {2 * half / (1 + half):.2f}")
    print(f"{len(members)} members")
    for one, other in itertools.combinations(values, 2):
        print(f"{one} and {other}: rank correlation {agreement(values[one], values[other]):.2f}")
    for place, choice in enumerate(CHOICES):
        for value in sorted({member[place] for member in members}):
            rows = [row for row, member in enumerate(members) if member[place] == value]
            means = (f"{name} {np.mean([of[row] for row in rows]):.3f}" for name, of in values.items())
            print(f"{choice} {value}: " + ", ".join(means))


if __name__ == "__main__":
    main()
