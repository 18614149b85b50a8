"""KaldiFbank against kaldi-native-fbank: time per 10 s clip, a batch of 16 against 16 clips one by one, interleaved.

    OMP_NUM_THREADS=2 python tests/bench/bench_features.py

kaldi-native-fbank gets lists of Python floats, the form it converts fastest, and the copying of its frames into an array is not
counted. It refuses 128 mels at 16 kHz (empty filters), so that 80 are compared; ours is timed with 128 as well.
"""

import statistics
import time
from collections.abc import Callable

import kaldi_native_fbank
import torch

from zoo.features.fbank import KaldiFbank

CLIPS, SECONDS, ROUNDS, MELS = 16, 10, 15, 80


def kaldi(clips: list[list[float]]) -> None:
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.dither = 0.0
    options.mel_opts.num_bins = MELS
    for clip in clips:
        fbank = kaldi_native_fbank.OnlineFbank(options)
        fbank.accept_waveform(16000, clip)
        fbank.input_finished()


def seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main() -> None:
    waves = torch.randn(CLIPS, SECONDS * 16000) * 0.1
    clips = waves.tolist()
    ours, wide = KaldiFbank(mels=MELS), KaldiFbank(mels=128)
    runs: dict[str, Callable[[], object]] = {
        f"kaldi-native-fbank, {MELS} mels": lambda: kaldi(clips),
        f"KaldiFbank, {MELS} mels": lambda: ours(waves),
        "KaldiFbank, 128 mels": lambda: wide(waves),
    }
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS + 1):
        for name, run in runs.items():
            times[name].append(seconds(run))
    medians = {name: statistics.median(values[1:]) / CLIPS for name, values in times.items()}  # the first round warms up
    reference = next(iter(medians.values()))
    print(f"{torch.get_num_threads()} threads, {CLIPS} clips of {SECONDS} s, median of {ROUNDS} rounds")
    for name, median in medians.items():
        print(f"{name:30} {median * 1e3:7.2f} ms a clip, {reference / median:5.2f} times as fast")


if __name__ == "__main__":
    main()
