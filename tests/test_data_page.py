"""Every command of docs/data.md runs, against a server on this machine with a small 2026."""

import re
from pathlib import Path

import pytest

from submission.cli import main
from tests.zoo.data.mirror import Mirror, zipped
from tests.zoo.trees import write_tree
from zoo.data import fetch, truth, verify
from zoo.data.datasets import choose, find_dataset
from zoo.data.published import Facts

PAGE = Path(__file__).parents[1] / "docs" / "data.md"
COMMANDS = re.findall(r"^\$ asdzoo (.*)$", PAGE.read_text(), re.MULTILINE)


def small_2026(mirror: Mirror, tree: Path) -> None:
    """Publish archives under the true names, with a few clips in each."""
    dataset = find_dataset("2026")
    data = write_tree(tree, "2026", machines=dataset.machines)
    for one in choose(dataset):
        folder = one.machine_folder(data)
        inside = {"dev": "**/*", "additional": "train/*", "evaluation": "test/*"}[one.part]
        members = {
            f"{one.machine}/{path.relative_to(folder)}": path.read_bytes() for path in folder.glob(inside) if path.is_file()
        }
        mirror.put(one.record, one.file, zipped(members))
    assert dataset.truth
    mirror.files[f"/{dataset.truth.repository}/archive/{dataset.truth.revision}.zip"] = zipped(
        {"top/ground_truth_data/a.csv": b""}
    )


def test_every_command_of_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert {command.split()[1] for command in COMMANDS if command.startswith("data ")} == {"list", "fetch", "verify"}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(verify, "facts_of", lambda year, machine: Facts())  # the small 2026 has other numbers
    with Mirror() as mirror:
        small_2026(mirror, tmp_path / "published")
        monkeypatch.setattr(fetch, "ZENODO", mirror.url)
        monkeypatch.setattr(truth, "GITHUB", mirror.url)
        for command in COMMANDS:
            arguments = command.replace("https://mirror.example.org", mirror.url).split()
            assert main(arguments) == 0, (command, capsys.readouterr().err)
            said = capsys.readouterr().out
            if arguments[1] == "fetch":
                assert "icence: " in said or "are here already" in said, command
                assert "next: asdzoo " in said, command
    assert len(list(Path("data/dcase2026t2/dev_data/raw").iterdir())) == 7
    assert [path.name for path in Path("data/dcase2026t2/zips").iterdir()] == ["eval_data_ToothBrush_test.zip"]
    assert Path("elsewhere/dcase2026t2/dev_data/raw/fan").is_dir()
    assert Path("truth/dcase2026_task2_evaluator/ground_truth_data/a.csv").is_file()


def test_the_record_of_the_owners_wins_over_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with Mirror() as mirror:
        small_2026(mirror, tmp_path / "published")
        monkeypatch.setattr(fetch, "ZENODO", mirror.url)
        assert main(["data", "fetch", "2026", "--machine", "fan"]) == 0
        assert "the one known here is 58b79bac4b05bf14a11e9d53e6cdfae9" in capsys.readouterr().err
        asked = len(mirror.asked)
        assert main(["data", "fetch", "2026", "--machine", "fan"]) == 0
        assert "1 of 1 archive(s) are here already" in capsys.readouterr().out
        assert len(mirror.asked) == asked


def test_a_file_that_has_left_its_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with Mirror() as mirror:
        small_2026(mirror, tmp_path / "published")
        del mirror.records[19336329]["dev_fan.zip"]
        monkeypatch.setattr(fetch, "ZENODO", mirror.url)
        assert main(["data", "fetch", "2026", "--machine", "fan"]) == 2
        assert "record 19336329 has no file dev_fan.zip any more" in capsys.readouterr().err
        mirror.files["/api/records/19336329"] = b"{}"
        mirror.records.clear()
        assert main(["data", "fetch", "2026", "--machine", "fan"]) == 2
        assert "is not of Zenodo's form" in capsys.readouterr().err
