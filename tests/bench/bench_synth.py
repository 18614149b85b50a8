"""How hard the synthetic challenge is, and how fast it is made: `python tests/bench/bench_synth.py [--size small] [--seeds 3]`.

Three nearest-neighbour systems on plain features show which machines reward which view: the mean and deviation of a log-mel
spectrogram, the long spectrum in fine bins, and the spectrum of the envelopes (what repeats, and how regularly).
"""

import argparse
import time
from collections import defaultdict
from dataclasses import replace
from statistics import median

import numpy as np
from scipy import signal
from scipy.stats import hmean
from sklearn.metrics import roc_auc_score

from zoo.data.synth import challenge
from zoo.data.synth.challenge import Recording
from zoo.data.synth.recording import record
from zoo.data.synth.sources import F32, F64, RATE


def mel_matrix(bins: int, mels: int) -> F64:
    """Triangles, `(mels, bins)`, equally spaced on the mel scale between 20 Hz and 8 kHz."""
    edges = np.linspace(2595 * np.log10(1 + 20 / 700), 2595 * np.log10(1 + 8000 / 700), mels + 2)
    edges = 700 * (10 ** (edges / 2595) - 1)
    frequency = np.linspace(0, RATE / 2, bins)
    rise = (frequency - edges[:-2, None]) / np.diff(edges)[:-1, None]
    fall = (edges[2:, None] - frequency) / np.diff(edges)[1:, None]
    return np.maximum(0, np.minimum(rise, fall))


_MELS = mel_matrix(513, 64)


def log_mel(wave: F32) -> F64:
    """Log-mel spectrogram `(64, frames)`: Hann window of 1024 samples, hop 512."""
    _, _, power = signal.stft(wave, RATE, nperseg=1024, noverlap=512, boundary=None, padded=False)
    return np.log(_MELS @ np.abs(power) ** 2 + 1e-12)


def mean_and_deviation(wave: F32) -> F64:
    """The plain system: mean and deviation of each mel band over time."""
    bands = log_mel(wave)
    return np.concatenate([bands.mean(1), bands.std(1)])


def fine_spectrum(wave: F32) -> F64:
    """Log power in bins of 4 Hz up to 4 kHz, less its smooth part: lines and side bands remain."""
    _, power = signal.welch(wave, RATE, nperseg=4096)
    level = np.log(power[:1024] + 1e-15)
    return level - signal.savgol_filter(level, 101, 2)


def envelope_spectrum(wave: F32) -> F64:
    """Modulation spectrum of 16 bands up to 60 Hz, square root: what repeats."""
    _, _, power = signal.stft(wave, RATE, nperseg=256, noverlap=128, boundary=None, padded=False)
    bands = np.log(np.abs(power[1:129]).reshape(16, 8, -1).mean(1) + 1e-8)
    bands -= bands.mean(1, keepdims=True)
    _, spectrum = signal.welch(bands, RATE / 128, nperseg=min(256, bands.shape[1]))
    return np.sqrt(spectrum).ravel()


SYSTEMS = {"log-mel mean+std": mean_and_deviation, "fine spectrum": fine_spectrum, "envelope spectrum": envelope_spectrum}


def nearest(features: F64, recordings: list[Recording]) -> F64:
    """Distance of each test clip to its nearest training clip of either domain, features standardised on the training clips."""
    train = np.array([clip.folder == "train" for clip in recordings])
    scaled = (features - features[train].mean(0)) / (features[train].std(0) + 1e-9)
    bank, test = scaled[train], scaled[~train]
    squared = (test**2).sum(1)[:, None] - 2 * test @ bank.T + (bank**2).sum(1)
    return np.sqrt(np.maximum(0, squared.min(1)))


def judge(scores: F64, test: list[Recording]) -> tuple[float, float, float]:
    """AUC source, AUC target, pAUC as the challenge defines them."""
    anomaly = np.array([clip.label == "anomaly" for clip in test])
    target = np.array([clip.domain == "target" for clip in test])
    aucs = [roc_auc_score(anomaly[rows], scores[rows]) for rows in (anomaly | ~target, anomaly | target)]
    return (*aucs, roc_auc_score(anomaly, scores, max_fpr=0.1))


def render(recording: Recording) -> F32:
    rng = np.random.default_rng(np.random.SeedSequence(recording.entropy))
    clip = record(recording.take, rng)
    return (clip / np.float32(32768)).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="small", choices=["tiny", "small", "full"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--machines", default="", help="only those whose name contains one of these, separated by commas")
    parser.add_argument("--all", action="store_true", help="all sixteen machines, at the counts and length of --size")
    parser.add_argument("--faults", action="store_true", help="also AUC of each fault at low, middle and high strength")
    options = parser.parse_args()
    extent = challenge._EXTENTS[options.size]
    if options.all:
        challenge._EXTENTS[options.size] = replace(extent, dev=(), evaluation=())
    results = defaultdict(list)
    by_fault = defaultdict(list)
    milliseconds = []
    for seed in range(options.seeds):
        for subset in ("dev_data", "eval_data"):
            for machine, recordings in challenge.plan(options.size, subset, seed).items():
                if not any(part in machine.name for part in options.machines.split(",")):
                    continue
                features = defaultdict(list)
                for recording in recordings:
                    started = time.perf_counter()
                    wave = render(recording)
                    milliseconds.append(1000 * (time.perf_counter() - started))
                    for system, extract in SYSTEMS.items():
                        features[system].append(extract(wave))
                test = [recording for recording in recordings if recording.folder == "test"]
                for system, rows in features.items():
                    scores = nearest(np.array(rows), recordings)
                    results[machine.name, system].append(judge(scores, test))
                    normal = [score for score, clip in zip(scores, test, strict=True) if clip.fault is None]
                    for score, clip in zip(scores, test, strict=True):
                        if clip.fault:
                            rank = np.mean(score > np.array(normal))
                            by_fault[machine.name, clip.fault.name, min(2, int(3 * clip.strength)), system].append(rank)
    print(f"size {options.size}, {options.seeds} seeds; a clip takes {median(milliseconds):.1f} ms on one core (median)")
    print("each system: AUC source, AUC target, pAUC: hmean (means over seeds; [largest single value, smallest hmean])")
    print(f"{'':20}" + "".join(f"{system:>40}" for system in SYSTEMS))
    for name in dict.fromkeys(name for name, _ in results):
        cells = []
        for system in SYSTEMS:
            runs = np.array(results[name, system])
            means, each = runs.mean(0), hmean(runs, axis=1)
            cells.append(
                f"{means[0]:.3f} {means[1]:.3f} {means[2]:.3f}: {each.mean():.3f} [{runs.max():.3f}, {each.min():.3f}]".rjust(
                    40
                )
            )
        print(f"{name:20}" + "".join(cells))
    names = list(dict.fromkeys(name for name, _ in results))
    for system in SYSTEMS:
        official = [hmean(np.ravel([results[name, system][seed] for name in names])) for seed in range(options.seeds)]
        print(f"{system:20} official score by seed: " + " ".join(f"{score:.4f}" for score in official))
    if options.faults:
        for name, fault in dict.fromkeys((name, fault) for name, fault, _, _ in by_fault):
            graded = "   ".join(
                f"{system}: " + " ".join(f"{np.mean(by_fault[name, fault, level, system]):.2f}" for level in range(3))
                for system in SYSTEMS
            )
            print(f"{name:20} {fault:10} {graded}")


if __name__ == "__main__":
    main()
