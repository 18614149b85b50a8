"""Speed of the detectors at the size of a challenge: `python -m tests.bench.bench_detectors`.

16 machines with 990 source, 10 target and 200 test clips each, embeddings of 8 parts x 768; then spectra of 256 dimensions.
Fitting, scores of the test clips, and exact left-out scores of the training clips are all in it.
"""

import resource
import time
from pathlib import Path

import numpy as np

from zoo.data.clips import Clip
from zoo.detectors import knn

MACHINES, SOURCE, TARGET, TEST = 16, 990, 10, 200
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


def main() -> None:
    for name, (shape, options) in CASES.items():
        training, test = embeddings(SOURCE + TARGET, shape, 0), embeddings(TEST, shape, 1)
        start, worked = time.perf_counter(), time.process_time()
        detector = knn.build(knn.Config.model_validate(options)).fit(training, clips())
        detector.score(test)
        detector.score_training()
        seconds, worked = time.perf_counter() - start, time.process_time() - worked
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        total, busy = MACHINES * seconds, MACHINES * worked
        print(f"{name:33} {total:6.1f} s, {busy:6.1f} s of processors for all machines; {memory:.0f} MB at most so far")


if __name__ == "__main__":
    main()
