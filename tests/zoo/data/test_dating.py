"""The year comes from names, layout and neighbours; what is asked for is taken, and what is left out is named."""

from pathlib import Path

import pytest

from tests.zoo.trees import clip_name, write_wav
from zoo.data.clips import find_clips
from zoo.errors import AsdzooError


def _machine(folder: Path, attributes: str = "vel_1", test: bool = False, hidden: bool = False) -> None:
    for index in range(2):
        said = "noAttribute" if hidden else attributes
        write_wav(folder / "train" / clip_name("00", index, "source", "train", "normal", said))
    if test:
        write_wav(folder / "test" / clip_name("00", 0, "source", "test", "anomaly", attributes))


def test_a_year_above_the_root_says_nothing(tmp_path: Path) -> None:
    data = tmp_path / "dcase2025_work" / "data"
    for machine in ("fan", "valve", "3DPrinter"):
        _machine(data / machine)
    assert {(clip.year, clip.machine) for clip in find_clips(data)} == {
        ("2024", name) for name in ("fan", "valve", "3DPrinter")
    }


def test_an_explicit_year_takes_all_that_can_be_of_it_and_names_the_rest(tmp_path: Path) -> None:
    for name in ("propeller", "bearing", "dcase2024t2/fan", "AutoTrash"):
        _machine(tmp_path / name)
    clips = find_clips(tmp_path, "2023")
    assert {clip.machine for clip in clips} == {"propeller", "bearing"}
    assert {clip.year for clip in clips} == {"2023"}
    (problem,) = clips.problems
    assert "left out, because 2023 was asked for: 2024 (fan), 2025 (AutoTrash)" in str(problem)


def test_own_recordings_without_challenge_names_are_of_no_year(tmp_path: Path) -> None:
    _machine(tmp_path / "bearing")
    write_wav(tmp_path / "MyPump" / "train" / "x.wav")
    clips = find_clips(tmp_path, "2024")
    assert {clip.machine for clip in clips} == {"bearing"}
    assert "own (MyPump)" in str(clips.problems[0])


@pytest.mark.parametrize("hint_of", ["test", "supplemental", "noAttribute"])
def test_a_hint_never_proposes_a_year_that_the_names_rule_out(tmp_path: Path, hint_of: str) -> None:
    _machine(tmp_path / "fan", test=hint_of == "test", hidden=hint_of == "noAttribute")
    if hint_of == "supplemental":
        write_wav(tmp_path / "fan" / "supplemental" / "section_00_noise_0001_.wav")
    with pytest.raises(AsdzooError) as caught:
        find_clips(tmp_path)
    first = {"test": "2022", "supplemental": "2025", "noAttribute": "2024"}[hint_of]
    assert caught.value.hint.endswith(f"--year {first}")
    year = int(first) - 1
    assert str(year) not in caught.value.message.partition("may be of")[2]
    assert find_clips(tmp_path, first)


def test_two_years_side_by_side_are_two_years(tmp_path: Path) -> None:
    _machine(tmp_path / "dev23" / "fan", "m-n_W0")
    _machine(tmp_path / "dev23" / "bandsaw")
    _machine(tmp_path / "dev24" / "fan", "n_A0", test=True)
    _machine(tmp_path / "dev24" / "ToothBrush")
    with pytest.raises(AsdzooError, match=r"holds several years: 2023 \(bandsaw, fan\), 2024 or 2026 \(ToothBrush, fan\)"):
        find_clips(tmp_path)
    clips = find_clips(tmp_path, "2024")
    assert {clip.path.relative_to(tmp_path).parts[0] for clip in clips} == {"dev24"}
    assert "2023 (bandsaw, fan)" in str(clips.problems[0])
    assert {clip.path.relative_to(tmp_path).parts[0] for clip in find_clips(tmp_path, "2023")} == {"dev23"}


def test_development_and_evaluation_trees_decide_together(tmp_path: Path) -> None:
    _machine(tmp_path / "dev_data" / "raw" / "fan", test=True)
    _machine(tmp_path / "eval_data" / "raw" / "AutoTrash")
    clips = find_clips(tmp_path)
    assert {(clip.year, clip.machine) for clip in clips} == {("2025", "fan"), ("2025", "AutoTrash")}
