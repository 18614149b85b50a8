"""Whether members rank on the synthetic challenge as on real recordings: `python tests/bench/bench_ranks.py SYNTH REAL ...`.

Each folder is a tree of recordings with labels. Members without training are made of the zoo's own parts: every
combination of spectrum, statistic, neighbours, metric, scale and rescaling. Printed is Spearman's rank correlation of their
official scores, for each pair of folders, and how much each choice is worth in each folder.
"""

import argparse
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import hmean, spearmanr
from sklearn.metrics import roc_auc_score

from zoo import registry
from zoo.data.clips import Clip, find_clips
from zoo.data.store import WaveformStore
from zoo.models.log_mel import Config, LogMelStatistics

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


def judged(folder: Path, year: str | None) -> dict[tuple[str, ...], float]:
    """The official score of every member over the machines of a folder that have labels."""
    store = WaveformStore.open(find_clips(folder, year), folder.parent / f".waves-{folder.name}")
    labelled = sorted({clip.machine for clip in store.clips if clip.split == "test" and clip.label})
    every: dict[tuple[str, ...], list[float]] = {}
    for (window, mels), statistic in itertools.product(SPECTRA, STATISTICS):
        config = Config.model_validate({"window": window, "hop": window // 2, "mels": mels, "statistics": statistic})
        embedder = LogMelStatistics(config, 16_000)
        for machine in labelled:
            indices = {
                split: [i for i, clip in enumerate(store.clips) if (clip.machine, clip.split) == (machine, split)]
                for split in ("train", "test")
            }
            embedded = {split: _embedded(embedder, store, rows) for split, rows in indices.items()}
            for name, standardise, block in detectors():
                module = registry.module("detector", block["name"])
                settings = module.Config.model_validate({key: value for key, value in block.items() if key != "name"})
                detector = module.build(settings).fit(embedded["train"], [store.clips[i] for i in indices["train"]])
                key = (f"{window}/{mels}", statistic, name, str(standardise))
                test = [store.clips[i] for i in indices["test"]]
                every.setdefault(key, []).extend(figures(detector.score(embedded["test"]), test))
    return {key: float(hmean(np.maximum(areas, np.finfo(float).eps))) for key, areas in every.items()}


def _embedded(embedder: LogMelStatistics, store: WaveformStore, rows: list[int]) -> np.ndarray:
    waves = [store.batch(np.array(rows[start : start + 16])) for start in range(0, len(rows), 16)]
    return torch.cat([embedder(*batch) for batch in waves])[:, None].numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    arguments = parser.parse_args()
    scores = {}
    for folder in arguments.folders:
        synthetic = any(folder.rglob("Synth*"))
        scores[folder.name] = judged(folder, "2024" if synthetic else "own")
    members = list(next(iter(scores.values())))
    print(f"{len(members)} members")
    for one, other in itertools.combinations(scores, 2):
        agreement = spearmanr([scores[one][member] for member in members], [scores[other][member] for member in members])
        print(f"{one} and {other}: rank correlation {agreement.statistic:.2f}")
    for place, choice in enumerate(CHOICES):
        for value in sorted({member[place] for member in members}):
            means = {name: np.mean([of[member] for member in members if member[place] == value]) for name, of in scores.items()}
            print(f"{choice} {value}: " + ", ".join(f"{name} {mean:.3f}" for name, mean in means.items()))


if __name__ == "__main__":
    main()
