"""Speed of the detectors at the size of a challenge: `python -m tests.bench.bench_detectors`.

16 machines with 990 source, 10 target and 200 test clips each, embeddings of 8 parts x 768; then spectra of 256 dimensions.
Fitting, scores of the test clips, and exact left-out scores of the training clips are all in it. One machine is done ROUNDS
times, and the time that the processors worked for the quickest is taken for each of the 16.
"""

import resource
import time
from pathlib import Path

import numpy as np

from zoo.data.clips import Clip
from zoo.detectors import knn

MACHINES, SOURCE, TARGET, TEST = 16, 990, 10, 200
ROUNDS = 3
CASES: dict[str, tuple[tuple[int, int], dict[str, object]]] = {
    "BEAM": ((8, 768), {}),
    "BEAM, VarMin": ((8, 768), {"rescale": "varmin"}),
    "BEAM, VarMin, one bank": ((8, 768), {"rescale": "varmin", "banks": "one"}),
    "BEAM, LDN": ((8, 768), {"rescale": "ldn", "k_source": 16, "k_target": 9}),
    "BEAM, domain z": ((8, 768), {"rescale": "domain_z", "deviation": "target"}),
    "BEAM, MemMixup, domain z": ((8, 768), {"mem_mixup": {}, "rescale": "domain_z", "deviation": "target"}),
    "spectra, standardised, 2-NN": ((1, 128), {"metric": "euclidean", "standardise": True, "k": 2}),
    "spectra, standardised, domain z": ((1, 256), {"metric": "euclidean", "standardise": True, "rescale": "domain_z"}),
}


def clips() -> list[Clip]:
    domains = ["source"] * SOURCE + ["target"] * TARGET
    return [
        Clip(Path(f"{row}.wav"), "2024", "fan", "00", "train", "source" if domain == "source" else "target")
        for row, domain in enumerate(domains)
    ]


def embeddings(count: int, shape: tuple[int, int], seed: int) -> np.ndarray:
    """Like real ones: a few directions have most of the variance."""
    generator = np.random.default_rng(seed)
    spread = 1 / (1 + np.arange(shape[1]))
    return (1 + generator.normal(size=(count, *shape)) * np.sqrt(spread)).astype(np.float32)


def seconds(options: dict[str, object], training: np.ndarray, test: np.ndarray) -> tuple[float, float]:
    """What passes and what the processors work for one machine, the least of ROUNDS."""
    passed, worked = [], []
    for _ in range(ROUNDS):
        start, begun = time.perf_counter(), time.process_time()
        detector = knn.build(knn.Config.model_validate(options)).fit(training, clips())
        detector.score(test)
        detector.score_training()
        passed.append(time.perf_counter() - start)
        worked.append(time.process_time() - begun)
    return min(passed), min(worked)


def main() -> None:
    for name, (shape, options) in CASES.items():
        total, busy = seconds(options, embeddings(SOURCE + TARGET, shape, 0), embeddings(TEST, shape, 1))
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{name:33} {MACHINES * total:6.1f} s, {MACHINES * busy:6.1f} s of processors for all machines; "
            f"{memory:.0f} MB at most so far"
        )


if __name__ == "__main__":
    main()
