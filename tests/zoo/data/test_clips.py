"""Trees of every year become clips; unclear ones become an error that says what to type."""

import os
from collections import Counter
from pathlib import Path

import pytest

from tests.zoo.trees import HIDDEN, clip_name, write_tree, write_wav
from zoo.data.clips import Clip, find_clips
from zoo.data.years import YEARS
from zoo.errors import AsdzooError

SHARED = Path(__file__).parents[3] / ".." / "shared" / "data"


def _write(root: Path, *names: str) -> Path:
    for name in names:
        write_wav(root / name)
    return root


def _problem(root: Path, year: str | None = None) -> AsdzooError:
    with pytest.raises(AsdzooError) as caught:
        find_clips(root, year)
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize("year", YEARS)
def test_a_tree_of_every_year(tmp_path: Path, year: str) -> None:
    clips = find_clips(write_tree(tmp_path, year))
    facts = YEARS[year]
    assert {clip.year for clip in clips} == {year}
    assert {clip.machine for clip in clips} == {facts.development[0], facts.evaluation[0]}
    train = [clip for clip in clips if clip.split == "train"]
    assert {clip.label for clip in train} == {"normal"}
    assert Counter(clip.domain for clip in train)["source"] == (3 * len(train) // 4 if year != "2020" else 0)
    test = Counter((clip.domain, clip.label) for clip in clips if clip.split == "test")
    assert len(test) == (4 if year != "2020" else 2)
    assert len(set(test.values())) == 1
    for clip in clips:
        if clip.machine in HIDDEN.get(year, ()) or year == "2020":
            assert clip.attributes in (None, "machine")
    supplemental = [clip for clip in clips if clip.split == "supplemental"]
    assert {clip.attributes for clip in supplemental} == ({"machine"} if year == "2025" else set())


@pytest.mark.parametrize("year", YEARS)
def test_blind_names_say_nothing_but_the_section(tmp_path: Path, year: str) -> None:
    machine = YEARS[year].evaluation[0]
    clips = find_clips(write_tree(tmp_path, year, machines=[machine], blind=True))
    test = [clip for clip in clips if clip.split == "test"]
    assert test
    assert {clip.label for clip in test} == {None}
    assert {clip.domain for clip in test} == ({"source", "target"} if year == "2021" else {None})


def test_order_and_fields_of_one_clip(tmp_path: Path) -> None:
    folder = tmp_path / "dcase2025t2" / "fan"
    _write(
        folder,
        "supplemental/section_00_noise_0001_.wav",
        "test/section_00_0000.wav",
        "train/section_00_target_train_normal_0001_n_A.wav",
        "train/section_00_source_train_normal_0001_n_A.wav",
    )
    clips = find_clips(tmp_path)
    assert [clip.split for clip in clips] == ["train", "train", "test", "supplemental"]
    assert clips[0] == Clip(
        folder / "train" / "section_00_source_train_normal_0001_n_A.wav",
        "2025",
        "fan",
        "00",
        "train",
        "source",
        "normal",
        "n_A",
    )


def test_root_may_be_one_machine_or_any_folder_above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = write_tree(tmp_path, "2024", machines=["fan"])
    machine = data / "dev_data" / "raw" / "fan"
    assert find_clips(machine, "2024") == find_clips(data) == find_clips(tmp_path)
    assert find_clips(machine / "test", "2024") == [clip for clip in find_clips(data) if clip.split == "test"]
    monkeypatch.chdir(machine)
    assert {clip.machine for clip in find_clips(Path(), "2024")} == {"fan"}
    monkeypatch.chdir(machine / "train")
    for root in (Path(".."), Path()):
        assert {clip.machine for clip in find_clips(root, "2024")} == {"fan"}


def test_development_and_evaluation_trees_are_one_machine(tmp_path: Path) -> None:
    train = clip_name("00", 0, "source", "train", "normal", "vel_1")
    _write(tmp_path / "dcase2022t2" / "dev_data" / "bearing", f"train/{train}")
    _write(
        tmp_path / "dcase2022t2" / "eval_data" / "bearing", f"train/{train.replace('_00_', '_03_')}", "test/section_03_0000.wav"
    )
    clips = find_clips(tmp_path)
    assert [(clip.machine, clip.section, clip.split) for clip in clips] == [
        ("bearing", "00", "train"),
        ("bearing", "03", "train"),
        ("bearing", "03", "test"),
    ]


def test_true_names_replace_blind_ones(tmp_path: Path) -> None:
    true = "section_00_source_normal_0035_weight15_BckgF.wav"
    _write(tmp_path / "RoboticArm", "test/section_00_0000.wav", f"test_rename/{true}")
    (clip,) = find_clips(tmp_path)
    assert clip.name == true
    assert (clip.year, clip.split, clip.domain, clip.label) == ("2024", "test", "source", "normal")


def test_what_does_not_count(tmp_path: Path) -> None:
    name = clip_name("00", 0, "source", "train", "normal", "n_A")
    folder = _write(
        tmp_path / "2023" / "fan", f"train/{name}", f"train/._{name}", "train/stray.wav", f"__MACOSX/fan/train/{name}"
    )
    (folder / "train" / "notes.txt").write_text("x")
    (folder / "test").mkdir()
    assert [clip.name for clip in find_clips(tmp_path)] == [name]


def test_links_are_followed_once_and_keep_their_name(tmp_path: Path) -> None:
    stored = _write(tmp_path / "store" / "x1", "train/" + clip_name("00", 0, "source", "train", "normal", "vel_1"))
    data = tmp_path / "dcase2023t2"
    data.mkdir()
    try:
        (data / "bandsaw").symlink_to(stored)
        (data / "again").symlink_to(data)
    except OSError:
        pytest.skip("this file system has no symbolic links")
    (clip,) = find_clips(data)
    assert clip.machine == "bandsaw"


@pytest.mark.parametrize("path", ["dcase2024t2/raw", "DCASE2024", "data_2024_dev", "2023/then/2024", "2024/dcase20240101"])
def test_the_path_tells_the_year(tmp_path: Path, path: str) -> None:
    folder = _write(tmp_path / path / "fan", "train/" + clip_name("00", 0, "source", "train", "normal", "n_A"))
    assert {clip.year for clip in find_clips(tmp_path)} == {"2024"}
    if path.endswith("raw"):
        assert {clip.year for clip in find_clips(folder.parent.parent)} == {"2024"}  # the root's own name
    assert "may be of" in _problem(folder).message  # what lies above says nothing, and is proposed all the same
    assert _problem(folder).hint.endswith("--year 2024")


def test_a_token_of_a_year_without_the_machine_is_no_token(tmp_path: Path) -> None:
    train = "train/" + clip_name("00", 0, "source", "train", "normal", "vel_1")
    assert {clip.year for clip in find_clips(_write(tmp_path / "2026" / "bandsaw", train))} == {"2023"}


@pytest.mark.parametrize(
    ("machine", "names", "year"),
    [
        ("fan", ["train/normal_id_00_00000000.wav"], "2020"),
        ("fan", ["source_test/section_00_source_test_normal_0000.wav"], "2021"),
        ("pump", ["train/section_00_source_train_normal_0000_x_1.wav"], "2021"),
        ("bandsaw", ["train/section_00_source_train_normal_0000_vel_1.wav"], "2023"),
        (
            "ToothBrush",
            ["train/section_00_source_train_normal_0000_noAttribute.wav", "supplemental/section_00_noise_0000_.wav"],
            "2026",
        ),
        ("bearing", ["train/section_04_source_train_normal_0000_vel_1.wav"], "2022"),
        (
            "bearing",
            ["supplemental/section_00_machine_0001_.wav", "train/section_00_source_train_normal_0000_noAttribute.wav"],
            "2025",
        ),
        ("fan", ["train/section_07_source_train_normal_0000_n_A.wav"], "own"),
        ("fan", ["train/my recording.wav"], "own"),
    ],
)
def test_names_and_layout_tell_the_year(tmp_path: Path, machine: str, names: list[str], year: str) -> None:
    clips = find_clips(_write(tmp_path / "data" / machine, *(f"{name}" for name in names)))
    assert {clip.year for clip in clips} == {year}


def test_one_machine_that_is_of_one_year_decides_for_the_others(tmp_path: Path) -> None:
    train = "train/" + clip_name("00", 0, "source", "train", "normal", "vel_1")
    for machine in ("fan", "ToyCar", "bandsaw"):
        _write(tmp_path / machine, train)
    assert {clip.year for clip in find_clips(tmp_path)} == {"2023"}


def test_unclear_year_is_asked_for(tmp_path: Path) -> None:
    _write(tmp_path / "bearing", "train/" + clip_name("00", 0, "source", "train", "normal", "vel_1"))
    problem = _problem(tmp_path)
    assert "bearing may be of 2022, 2023, 2024, 2025" in problem.message
    assert "--year" in problem.hint
    assert {clip.year for clip in find_clips(tmp_path, "2024")} == {"2024"}
    assert {clip.year for clip in find_clips(tmp_path, "own")} == {"own"}
    assert "holds no recordings of 2026" in _problem(tmp_path, "2026").message


def test_several_years_are_listed_and_one_is_picked(tmp_path: Path) -> None:
    write_tree(tmp_path, "2023", machines=["fan", "bandsaw"])
    write_tree(tmp_path, "2024", machines=["fan"])
    write_tree(tmp_path, "own")
    problem = _problem(tmp_path)
    assert "2023 (fan, bandsaw), 2024 (fan), own (MyPump)" in problem.message
    assert "--year" in problem.hint
    of_2023 = find_clips(tmp_path, "2023")
    assert {clip.machine for clip in of_2023} == {"fan", "bandsaw", "MyPump"}  # what no year knows is of the one asked for
    assert not any("dcase2024t2" in str(clip.path) for clip in of_2023)
    assert "left out, because 2023 was asked for: 2024 (fan)" in str(of_2023.problems[0])
    assert {clip.machine for clip in find_clips(tmp_path, "2024")} == {"fan", "MyPump"}
    assert {clip.machine for clip in find_clips(tmp_path, "2020")} == {"MyPump"}
    assert "2024 (fan)" in str(find_clips(tmp_path, "2020").problems[0])


def test_an_explicit_year_wins_over_a_misleading_path(tmp_path: Path) -> None:
    write_tree(tmp_path / "2025", "own", machines=["fan"])
    data = tmp_path / "2025"
    assert {clip.year for clip in find_clips(data)} == {"2025"}
    assert {clip.year for clip in find_clips(data, "2023")} == {"2023"}
    assert {clip.year for clip in find_clips(data, "own")} == {"own"}


def test_unknown_machines_take_any_year_that_is_named(tmp_path: Path) -> None:
    data = write_tree(tmp_path, "2024", machines=["propeller"])
    assert {clip.year for clip in find_clips(data)} == {"own"}
    assert {clip.year for clip in find_clips(data, "2024")} == {"2024"}


def test_own_recordings_without_challenge_names(tmp_path: Path) -> None:
    data = write_tree(tmp_path, "own", domains=False)
    clips = find_clips(data)
    assert len(clips) == 12
    assert {(clip.machine, clip.section, clip.domain, clip.label, clip.attributes) for clip in clips} == {
        ("MyPump", "00", None, None, "spd__mic_1")  # of attributes_00.csv
    }
    assert "holds no recordings of 2024" in _problem(data, "2024").message


def test_own_recordings_with_labels(tmp_path: Path) -> None:
    data = write_tree(tmp_path, "own", domains=False)
    (data / "MyPump" / "labels.csv").write_text(
        "file_name,label,domain,section,attributes\ntest/000.wav,anomaly,target,01,rpm 5\n001,normal,,,\n"
    )
    clips = {(clip.split, clip.name): clip for clip in find_clips(data)}
    said = clips["test", "000.wav"]
    assert (said.label, said.domain, said.section, said.attributes) == ("anomaly", "target", "01", "rpm 5")
    assert clips["train", "000.wav"].label is None
    assert clips["test", "001.wav"].label == "normal"
    assert clips["train", "001.wav"].label is None  # a bare name means the test clip where both folders have it


def test_own_recordings_in_challenge_layout(tmp_path: Path) -> None:
    clips = find_clips(write_tree(tmp_path, "own", machines=["MyPump"]))
    assert {clip.year for clip in clips} == {"own"}
    assert {(clip.domain, clip.label) for clip in clips if clip.split == "test"} == {
        (domain, label) for domain in ("source", "target") for label in ("normal", "anomaly")
    }


def test_roots_that_hold_nothing(tmp_path: Path) -> None:
    assert "there is no folder" in _problem(tmp_path / "absent").message
    file = tmp_path / "file.wav"
    file.write_bytes(b"")
    assert "is a file" in _problem(file).message
    file.unlink()
    assert "holds no recordings" in _problem(tmp_path).message
    assert "MACHINE/train" in _problem(tmp_path).hint
    (tmp_path / "dev_fan.zip").write_bytes(b"")
    assert "unzip" in _problem(tmp_path).hint
    assert "there is no year '1999'" in _problem(tmp_path, "1999").message


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    assert "may not read" in _problem(tmp_path).message


def test_original_clips() -> None:
    if not (SHARED / "dcase2023_real").is_dir():
        pytest.skip("the original clips of ../shared/data/dcase2023_real are not here")
    clips = find_clips(SHARED / "dcase2023_real")
    assert len(clips) == 28
    assert {clip.year for clip in clips} == {"2023"}
    assert {clip.machine for clip in clips} == set(YEARS["2023"].development)
    assert all(clip.domain and clip.label and clip.attributes for clip in clips)


def test_realbench() -> None:
    if not (SHARED / "realbench").is_dir():
        pytest.skip("the recordings of ../shared/data/realbench are not here")
    clips = find_clips(SHARED / "realbench")
    assert {clip.year for clip in clips} == {"own"}
    per_machine = Counter((clip.machine, clip.split, clip.domain) for clip in clips)
    for machine in ("propeller", "compressor"):
        assert per_machine[machine, "train", "source"] == 120
        assert per_machine[machine, "train", "target"] == 10
        assert per_machine[machine, "test", "source"] == per_machine[machine, "test", "target"] == 80
