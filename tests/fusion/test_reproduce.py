"""`asdzoo reproduce`: what a table needs, the plan without recordings, and the table when all is trained."""

import shlex
from pathlib import Path

import pytest

from fusion.ensemble import read_ensemble, shipped_ensembles
from fusion.paper_tables import estimate, find_table, missing_weights, table_paths
from submission.cli import main
from tests.fusion.runs import make_run, make_table
from zoo.config import ablation_paths, load_yaml
from zoo.systems import load_system, system_paths

Capture = pytest.CaptureFixture[str]
DEV = ("bearing", "fan", "gearbox", "slider", "ToyCar", "ToyTrain", "valve")
PAGE = Path(__file__).parents[2] / "docs" / "reproduce.md"


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", table_paths())
def test_rows_have_numbers_of_the_sets(name: str) -> None:
    table = find_table(name)
    files = system_paths() | ablation_paths() | shipped_ensembles()
    for row in (*table.systems, *table.ensembles):
        records = load_yaml(files[row])["published"]
        assert {record["set"] for record in records if record["year"] == table.year} & set(table.sets), row
    for ensemble in table.ensembles:
        assert set(read_ensemble(files[ensemble]).systems) <= set(table.systems)


def test_a_plan_counts_by_what_was_published() -> None:
    found = estimate(find_table("w23-table6"))
    assert [cost.system for cost in found.costs] == find_table("w23-table6").systems
    sections = 7 * 6  # of the development and the evaluation set of 2022
    training = load_system("wilkinghoff_2023").config.training
    assert training is not None
    first, *others = found.costs
    assert (first.networks, first.clips) == (5, 1000 * sections)
    assert first.seen == 5 * 1000 * sections * (training.epochs or 0)
    assert found.assumed == find_table("w23-table6").machines
    # three forward passes for a training step; scoring is one pass of 200 test clips a section as well
    assert first.training / (6 * first.seen) == pytest.approx(first.embedding / (2 * 5 * 1200 * sections))
    for cost in others:  # other back ends of the same networks
        assert (cost.trainer, cost.networks, cost.seen, cost.training, cost.embedding) == (first.system, 0, 0, 0, 0)


def test_the_commands_of_the_page(elsewhere: Path, capsys: Capture) -> None:
    commands = [shlex.split(line)[1:] for line in PAGE.read_text().splitlines() if line.startswith("    asdzoo ")]
    assert commands == [["reproduce", "w23-table6", "--dry-run"]]
    assert main(commands[0]) == 0
    said = capsys.readouterr()
    assert "wilkinghoff_2023_gmm_target" in said.out
    assert "asdzoo data fetch 2022\n" in said.out
    assert "left to do: " in said.out
    assert "1000 a section are taken" in said.err
    assert not list(elsewhere.iterdir())
    for name in table_paths():
        assert f"| `{name}` |" in PAGE.read_text()


def test_without_recordings_the_plan_is_printed_and_it_ends(elsewhere: Path, capsys: Capture) -> None:
    assert main(["reproduce", "w23-table6", "--data", "nowhere"]) == 2
    said = capsys.readouterr()
    assert "TFLOP to train" in said.out
    assert "error: nothing was trained: there is no folder nowhere" in said.err
    assert main(["synth", "data", "--size", "tiny"]) == 0
    assert main(["reproduce", "w23-table6", "--data", "data"]) == 2
    assert "nothing was trained: " in capsys.readouterr().err
    assert not (elsewhere / "runs").exists()


def test_unknown_tables_are_named(capsys: Capture) -> None:
    assert main(["reproduce", "t24-table2"]) == 2
    said = capsys.readouterr().err
    assert "t24-table1" in said
    assert "w23-table6" in said


def test_what_is_scored_is_fused_and_printed_beside_the_paper(elsewhere: Path, capsys: Capture) -> None:
    table = find_table("t24-table1")
    tables = {name: make_table(name, dict.fromkeys(DEV, 1.0), clips=50) for name in table.systems}
    run = make_run(elsewhere / "run", tables)
    run.update_info(systems={name: {"config": {"published": load_yaml(system_paths()[name])["published"]}} for name in tables})
    assert main(["reproduce", "t24-table1", "--run", "run"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in (*table.systems, *table.ensembles))
    assert "0.6838" in said  # of thuee_2
    assert "outside of our 95 % interval" in said
    assert set(table.ensembles) <= set(run.score_names())


def test_numbers_that_cannot_be_compared_end_it(elsewhere: Path, capsys: Capture) -> None:
    table = find_table("w23-table6")
    make_run(elsewhere / "run", {name: make_table(name, DEV, year="2022") for name in table.systems})
    assert main(["reproduce", "w23-table6", "--run", "run"]) == 2
    assert "none of our numbers can be held against the paper's" in capsys.readouterr().err


def test_weights_to_fetch_are_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.checkpoints.known.cached", lambda name: None)
    assert missing_weights(find_table("t24-table1")) == ["beats_iter3", "eat_base"]
    assert missing_weights(find_table("w23-table6")) == []
