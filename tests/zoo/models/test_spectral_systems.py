"""The four spectral members on two real machines give the official scores that they were chosen by."""

from pathlib import Path

import pytest

from fusion.evaluation import evaluate
from submission.cli import main
from zoo.running.folder import Run

REALBENCH = Path(__file__).parents[3] / ".." / "shared" / "data" / "realbench"
MEASURED = {  # harmonic mean of AUC source, AUC target and pAUC, computed apart from this code: propeller, compressor
    "log_mel_knn": (0.715, 0.629),
    "log_mel_stats_knn": (0.766, 0.594),
    "log_mel_quantiles_knn": (0.738, 0.617),
    "log_mel_pca": (0.716, 0.606),
}


def test_scores_on_real_machines(tmp_path: Path) -> None:
    if not REALBENCH.is_dir():
        pytest.skip("the recordings of realbench are not here")
    run = tmp_path / "real"
    arguments = ["--data", str(REALBENCH), "--run", str(run), "--device", "cpu", "--systems", ",".join(MEASURED)]
    assert main(["train-all", *arguments]) == 0
    for name, (propeller, compressor) in MEASURED.items():
        found = evaluate(Run(run).scores(name), name).frame.set_index("machine")["hmean"]
        assert found["propeller"] == pytest.approx(propeller, abs=0.005)
        assert found["compressor"] == pytest.approx(compressor, abs=0.005)
