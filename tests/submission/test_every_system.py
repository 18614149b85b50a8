"""Every system, tiny, from recordings to a checked package: one run of the synthetic challenge with all of them.

Some thirty systems of two steps each, in one run: that takes half a minute.
"""

from pathlib import Path

import numpy as np
import pytest

from fusion.ensemble import ensemble_path, read_ensemble
from submission.cli import main
from tests.submission.conftest import TEAM
from zoo.data.synth import write_challenge
from zoo.running.folder import Run
from zoo.running.pseudo_files import FILE
from zoo.systems import load_system, system_paths

TINY = [name for name in system_paths() if name.endswith("_tiny")]
UNTRAINED = [name for name in system_paths() if name.startswith("log_mel")]  # as small as they are
CLIPS = 3 * (28 + 24)


@pytest.mark.slow
def test_every_system_from_recordings_to_a_checked_package(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, run, team = tmp_path / "data", Run(tmp_path / "run"), tmp_path / "team.yaml"
    write_challenge(data, "tiny", channels=2)
    team.write_text(TEAM)
    where, systems = ["--run", str(run.folder)], ",".join([*TINY, *UNTRAINED])
    arguments = [*where, "--data", str(data), "--device", "cpu", "--set", "training.steps=2"]
    assert main(["train-all", *arguments, "--systems", systems]) == 0
    tables = {name: run.scores(name).frame for name in run.score_names()}
    assert sorted(tables) == sorted([*TINY, *UNTRAINED])
    for name, frame in tables.items():
        assert set(frame["machine"]) == {"SynthFan", "SynthGearbox", "SynthRoboticArm"}, name
        assert len(frame) == CLIPS, name
        assert np.isfinite(frame[["score", "calibrated"]]).all(axis=None), name
        assert frame["score"].nunique() > 1, name
    pseudo = [name for name in TINY if load_system(name).config.pseudo is not None]
    assert sorted(path.parent.parent.name for path in run.folder.rglob(FILE)) == pseudo
    assert not np.allclose(*(tables[f"asd26_lora_{view}_tiny"]["score"] for view in ("near", "w1")))

    assert main(["evaluate", *where]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in tables)
    assert main(["fuse", *where, "--method", "equal", "--systems", systems, "--name", "every"]) == 0
    assert set(read_ensemble(ensemble_path(run.folder, "every")).systems) == set(tables)
    assert main(["report", *where]) == 0
    page = (run.folder / "report.html").read_text()
    assert all(name in page for name in (*tables, "every"))
    assert main(["submit", *where, "--team", str(team), "--ensemble", "every"]) == 0
    capsys.readouterr()
    assert main(["check", str(next((run.folder / "submission").glob("*.zip"))), "--data", str(data)]) == 0
    assert "rules of 2026: 0 errors" in " ".join(capsys.readouterr().out.split())
