"""From the official tree of every year, through score tables, to a package that covers exactly its recordings."""

from pathlib import Path

import numpy as np
import pytest

from submission.checking.rules import Part, rules_of
from submission.cli import main
from tests.submission.conftest import SYSTEMS, TEAM
from zoo.data.clips import find_clips
from zoo.data.years import YEARS
from zoo.running.folder import Run
from zoo.scores import ScoreTable


def clip_names(year: str, part: Part) -> dict[str, list[str]]:
    """Folder -> names of a few recordings of an evaluation machine."""
    section = part.section
    if year == "2020":
        train = [f"normal_id_{section}_{index:08d}.wav" for index in range(9)]
        return {"train": train, "test": [f"id_{section}_{index:08d}.wav" for index in range(4)]}
    if year == "2021":
        train = [f"section_{section}_{part.domain}_train_normal_{index:04d}_strength_1_ambient.wav" for index in range(9)]
        test = [f"section_{section}_{part.domain}_test_{index:04d}.wav" for index in range(4)]
        return {"train": train, f"{part.domain}_test": test}
    domains = ["source"] * 8 + ["target"] * 3
    train = [f"section_{section}_{domain}_train_normal_{index:04d}_vel_1.wav" for index, domain in enumerate(domains)]
    return {"train": train, "test": [f"section_{section}_{index:04d}.wav" for index in range(1, 5)]}


def write_tree(root: Path, year: str) -> None:
    """Empty files under the names that the evaluation set of a year has, and one labelled development machine."""
    trees = {root / "eval_data" / "raw" / part.machine: [] for part in rules_of(year).parts()}
    for part in rules_of(year).parts():
        for folder, names in clip_names(year, part).items():
            trees[root / "eval_data" / "raw" / part.machine] += [(folder, name) for name in names]
    section = YEARS[year].development_sections[0]
    labelled = f"section_{section}_{{domain}}_test_{{label}}_{{index:04d}}.wav"
    if year == "2020":
        labelled = f"{{label}}_id_{section}_{{index:08d}}.wav"
    machine = root / "dev_data" / "raw" / "fan"
    folder = "test" if year != "2021" else "source_test"
    trees[machine] = [
        (folder, labelled.format(label=label, domain=domain, index=index))
        for index, label in enumerate(["normal", "anomaly"] * 4)
        for domain in (["source"] if year in ("2020", "2021") else ["source", "target"])
    ]
    for path, files in trees.items():
        for folder, name in files:
            (path / folder).mkdir(parents=True, exist_ok=True)
            (path / folder / name).touch()


@pytest.mark.parametrize("year", list(YEARS))
def test_a_tree_of_every_year_goes_through(year: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / f"dcase{year}t2"
    write_tree(data, year)
    clips = find_clips(data)
    assert {clip.year for clip in clips} == {year}
    run = Run(tmp_path / "run")
    run.update_info(year=year, systems=SYSTEMS)
    scores = np.random.default_rng(0).normal(size=len(clips))
    ScoreTable.of_clips("nf_cdee", clips, scores).write(run.score_path("nf_cdee"))
    (tmp_path / "team.yaml").write_text(TEAM)
    arguments = ["--run", str(run.folder), "--team", str(tmp_path / "team.yaml"), "--ensemble", "nf_cdee"]
    assert main(["submit", *arguments]) == 0
    capsys.readouterr()
    package = run.folder / "submission" / "Jiang_THUEE_task2.zip"
    assert main(["check", str(package), "--data", str(data)]) == 0
    assert f"rules of {year}: 0 errors" in capsys.readouterr().out
    blind = next(path for path in sorted(data.rglob("*test/*.wav")) if "eval_data" in str(path))
    blind.rename(blind.with_name(blind.name.replace("1.wav", "7.wav").replace("0.wav", "7.wav")))
    assert main(["check", str(package), "--data", str(data)]) == 1
    shown = capsys.readouterr().out
    assert "1 test clips have no score" in shown
    assert "1 rows are of no test clip" in shown
