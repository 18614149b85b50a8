"""Pseudo-labels against published attributes: the figures, and what is said of files that are none."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from fusion.pseudo_labels import judge, read_correspondence
from submission.cli import main
from zoo.errors import AsdzooError
from zoo.running.folder import Run
from zoo.running.pseudo_files import COLUMNS, FILE

TRUE = ["a_0", "a_0", "a_1", "a_1", "a_1", "b_3.5", "b_3.5", "a_0"]  # attributes of eight clips, the last of the target domain
MADE = [0, 0, 0, 1, 1, 2, 2, 3]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run(tmp_path / "run")
    run.folder.mkdir()
    run.update_info(systems={"mine": {"tasks": ["all-0"]}, "other": {"tasks": ["all-1"]}}, year="2024")
    rows = [
        ["2024", "gearbox", "00", _domain(index), f"{_name(index)}_noAttribute.wav", f"pseudo_{label}"]
        for index, label in enumerate(MADE)
    ]
    path = run.system_folder("mine") / "all-0" / FILE
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(",".join(row) for row in [list(COLUMNS), *rows]) + "\n")
    return run


def _domain(index: int) -> str:
    return "target" if index == len(TRUE) - 1 else "source"


def _name(index: int) -> str:
    return f"section_00_{_domain(index)}_train_normal_{index:04d}"


def truth(folder: Path, machine: str = "gearbox", year: str = "2024", *, count: int = len(TRUE)) -> Path:
    path = folder / f"dcase{year}t2" / "dev_data" / machine / "attributes_00_train_correspondence.csv"
    path.parent.mkdir(parents=True)
    pairs = [f"{_name(index)}_{said}.wav,{_name(index)}_noAttribute.wav" for index, said in enumerate(TRUE[:count])]
    path.write_text("\n".join(["source_file_name,target_file_name", *reversed(pairs)]) + "\n")
    return path


def rand_index(true: list[str], made: list[int]) -> float:
    """By counting pairs."""
    pairs = [(true[i] == true[j], made[i] == made[j]) for i, j in combinations(range(len(true)), 2)]
    both, first, second = sum(a and b for a, b in pairs), sum(a for a, _ in pairs), sum(b for _, b in pairs)
    expected = first * second / len(pairs)
    return (both - expected) / ((first + second) / 2 - expected)


def v_measure(true: list[str], made: list[int]) -> float:
    """From entropies."""
    _, one = np.unique(true, return_inverse=True)
    joint = np.histogram2d(one, made, bins=(np.arange(one.max() + 2), np.arange(max(made) + 2)))[0] / len(true)

    def entropy(shares: np.ndarray) -> float:
        shares = shares[shares > 0]
        return float(-(shares * np.log(shares)).sum())

    classes, clusters, both = entropy(joint.sum(1)), entropy(joint.sum(0)), entropy(joint)
    homogeneity, completeness = 1 - (both - clusters) / classes, 1 - (both - classes) / clusters
    return 2 * homogeneity * completeness / (homogeneity + completeness)


def test_figures_are_those_of_their_definitions(run: Run, tmp_path: Path) -> None:
    truth(tmp_path / "truth")
    truth(tmp_path / "truth", year="2025", count=3)  # of another year: not taken
    (everything, source), notes = judge(run, tmp_path / "truth")
    assert notes == []
    for row, count, classes in ((everything, 8, 3), (source, 7, 3)):
        true, made = TRUE[:count], MADE[:count]
        assert (row.clips, row.classes, row.clusters) == (count, classes, len(set(made)))
        assert row.rand == pytest.approx(rand_index(true, made), abs=1e-12)
        assert row.v_measure == pytest.approx(v_measure(true, made), abs=1e-12)


def test_the_command_prints_a_row_for_each_section_and_says_what_is_missing(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth(tmp_path / "truth", count=6)
    assert main(["evaluate", "--run", str(run.folder), "--pseudo-labels", str(tmp_path / "truth")]) == 0
    printed = capsys.readouterr()
    assert "adjusted Rand index" in printed.out
    assert "│ mine   │ gearbox │" in printed.out
    assert "mine: 2 of 8 clips of gearbox 00 are not in the truth" in " ".join(printed.err.split())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clip,name\na,b\n", "its header is not source_file_name,target_file_name"),
        ("source_file_name,target_file_name\nx.wav,y.wav\n", "not two names of clips in line 2"),
        (
            "source_file_name,target_file_name\nsection_00_source_train_normal_0000_a_1.wav\n",
            "not two names of clips in line 2",
        ),
    ],
)
def test_a_file_that_is_none_is_named(tmp_path: Path, text: str, message: str) -> None:
    truth(tmp_path).write_text(text)
    with pytest.raises(AsdzooError, match=message):
        read_correspondence(tmp_path, "2024")


def test_what_cannot_be_judged_is_an_error(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["evaluate", "--run", str(run.folder), "--pseudo-labels"]
    assert main([*command, str(tmp_path / "nowhere")]) == 2
    assert "no folder" in capsys.readouterr().err
    truth(tmp_path / "truth", "fan")
    assert main([*command, str(tmp_path / "truth")]) == 2
    assert "there is no truth of gearbox 00 of 2024" in " ".join(capsys.readouterr().err.split())
    assert main([*command, str(tmp_path / "truth"), "--truth", str(tmp_path)]) == 2
    assert "leave out names, --package and --truth" in " ".join(capsys.readouterr().err.split())
    (run.system_folder("mine") / "all-0" / FILE).unlink()
    assert main([*command, str(tmp_path / "truth")]) == 2
    assert "has no pseudo-labels" in " ".join(capsys.readouterr().err.split())


def test_files_that_contradict_each_other_are_an_error(tmp_path: Path) -> None:
    truth(tmp_path / "a")
    path = truth(tmp_path / "b")
    path.write_text(path.read_text().replace("_a_0.wav", "_a_9.wav"))
    with pytest.raises(AsdzooError, match="contradicts another file on"):
        read_correspondence(tmp_path, "2024")
