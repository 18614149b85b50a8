"""Whatever hands do to folders: recordings are taken where the meaning is clear, and named in one line where it is not."""

import os
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from tests.zoo.trees import clip_name, write_wav
from zoo.data.clips import Recordings, find_clips
from zoo.errors import AsdzooError

TRAIN = clip_name("00", 0, "source", "train", "normal", "n_A")


def _write(root: Path, *names: str) -> Path:
    for name in names:
        write_wav(root / name)
    return root


def _only(clips: Recordings, *words: str) -> str:
    (found,) = [str(problem) for problem in clips.problems if all(word in str(problem) for word in words)]
    return found


def test_recordings_lie_at_any_depth_and_keep_names_that_tell_them_apart(tmp_path: Path) -> None:
    names = ["train/0.wav", "train/2024-01-02/0.wav", "train/2024-01-03/a/0.wav", "test/normal/0.wav", "test/anomaly/0.wav"]
    for number, name in enumerate(names):
        write_wav(tmp_path / "MyPump" / name, seconds=0.05 + number / 100)
    clips = find_clips(tmp_path)
    assert clips.problems == []
    assert [(clip.split, clip.name, clip.label) for clip in clips] == [
        ("train", "0.wav", None),
        ("train", "2024-01-02/0.wav", None),
        ("train", "2024-01-03/a/0.wav", None),
        ("test", "anomaly/0.wav", "anomaly"),
        ("test", "normal/0.wav", "normal"),
    ]


@pytest.mark.parametrize("depth", ["", "2024/05/"])
def test_clips_of_the_challenge_keep_their_file_names_at_any_depth(tmp_path: Path, depth: str) -> None:
    (clip,) = find_clips(_write(tmp_path, f"2023/fan/train/{depth}{TRAIN}"))
    assert (clip.name, clip.year) == (TRAIN, "2023")


@pytest.mark.parametrize(
    ("folder", "label"),
    [
        ("normal", "normal"),
        ("OK", "normal"),
        ("good", "normal"),
        ("anomaly", "anomaly"),
        ("Abnormal", "anomaly"),
        ("NG", "anomaly"),
    ],
)
def test_folders_below_test_say_the_label(tmp_path: Path, folder: str, label: str) -> None:
    (clip,) = find_clips(_write(tmp_path, f"MyPump/test/{folder}/monday/x.wav"))
    assert clip.label == label


def test_folders_say_domain_and_section_and_the_innermost_wins(tmp_path: Path) -> None:
    (clip,) = find_clips(_write(tmp_path, "MyPump/test/id_02/target/ok/ng/x.wav"))
    assert (clip.section, clip.domain, clip.label) == ("02", "target", "anomaly")


@pytest.mark.parametrize(
    ("folder", "split"),
    [("Train", "train"), ("TEST", "test"), ("Training", "train"), ("testing", "test"), ("supplementary", "supplemental")],
)
def test_split_folders_in_any_case(tmp_path: Path, folder: str, split: str) -> None:
    (clip,) = find_clips(_write(tmp_path, f"MyPump/{folder}/x.wav"))
    assert (clip.machine, clip.split) == ("MyPump", split)


def test_a_machine_below_a_folder_that_is_called_test(tmp_path: Path) -> None:
    clips = find_clips(_write(tmp_path, "test/MyPump/train/x.wav", "test/MyPump/test/y.wav", "test/MyPump/train/test/z.wav"))
    assert [(clip.machine, clip.split, clip.name) for clip in clips] == [
        ("MyPump", "train", "test/z.wav"),
        ("MyPump", "train", "x.wav"),
        ("MyPump", "test", "y.wav"),
    ]


def test_all_formats_that_the_decoder_reads(tmp_path: Path) -> None:
    names = ["a.FLAC", "b.ogg", "c.aiff", "d.mp3", "e.caf", "f.w64", "g.rf64", "h.au", "i.WAV"]
    for number, name in enumerate(names):
        (tmp_path / "MyPump" / "train").mkdir(parents=True, exist_ok=True)
        (tmp_path / "MyPump" / "train" / name).write_bytes(bytes([number]))
    assert [clip.name for clip in find_clips(tmp_path)] == names


def test_other_formats_are_counted_and_the_cure_is_named(tmp_path: Path) -> None:
    _write(tmp_path, "MyPump/train/x.wav")
    for name in ("a.m4a", "b.WMA"):
        (tmp_path / "MyPump" / "train" / name).write_bytes(b"x")
    said = _only(find_clips(tmp_path), "cannot be decoded")
    assert "a.m4a" in said
    assert "and 1 more are" in said
    assert "ffmpeg -i" in said


def test_a_lone_folder_is_a_machine(tmp_path: Path) -> None:
    root = _write(tmp_path / "MyPump", "0.wav", "1.wav")
    for where in (root, tmp_path):
        clips = find_clips(where)
        assert [(clip.machine, clip.split) for clip in clips] == [("MyPump", "train")] * 2
        assert "2 recording(s) and no train or test folder: they are taken as train" in _only(clips)
    assert {clip.split for clip in find_clips(root, lone="test")} == {"test"}


def test_a_lone_folder_of_the_challenge_goes_by_its_names(tmp_path: Path) -> None:
    test = clip_name("00", 0, "source", "test", "anomaly", "n_A")
    clips = find_clips(_write(tmp_path / "fan", TRAIN, test), "2023")
    assert [(clip.split, clip.label) for clip in clips] == [("train", "normal"), ("test", "anomaly")]


def test_a_split_folder_as_root(tmp_path: Path) -> None:
    _write(tmp_path, "MyPump/Test/x.wav", "MyPump/train/y.wav")
    assert [(clip.machine, clip.split) for clip in find_clips(tmp_path / "MyPump" / "Test")] == [("MyPump", "test")]


@pytest.mark.parametrize(
    ("names", "cure"),
    [
        (["MyPump/trian/x.wav", "MyPump/tset/y.wav"], "mv {root}/MyPump/trian {root}/MyPump/train"),
        (
            ["MyPump/normal/x.wav", "MyPump/abnormal/y.wav"],
            "mkdir {root}/MyPump/test; mv {root}/MyPump/abnormal {root}/MyPump/test",
        ),
        (["MyPump/validation/x.wav", "MyPump/y.wav"], "move them to {root}/MyPump/train or {root}/MyPump/test"),
        (["a/x.wav", "b/y.wav"], "move them to {root}/a/train or {root}/a/test"),
    ],
)
def test_near_misses_of_the_layout_name_the_rename_that_mends_them(tmp_path: Path, names: list[str], cure: str) -> None:
    with pytest.raises(
        AsdzooError, match=r"holds 2 recording\(s\), but none in a train or test folder: 1 in .*, 1 in"
    ) as caught:
        find_clips(_write(tmp_path, *names))
    assert cure.format(root=tmp_path) in caught.value.hint


def test_recordings_outside_of_every_machine_are_named_in_one_line(tmp_path: Path) -> None:
    clips = find_clips(
        _write(tmp_path, "MyPump/train/x.wav", "MyPump/y.wav", "MyFan/trian/a.wav", "MyFan/trian/b.wav", "c.wav")
    )
    assert len(clips) == 1
    assert len(clips.problems) == 1
    said = _only(clips, "4 recording(s) lie in no train or test folder and are left out")
    assert "2 in" in said
    assert "the cure:" in said


def test_hidden_files_and_what_programs_leave_behind_are_counted(tmp_path: Path) -> None:
    _write(tmp_path, "MyPump/train/x.wav", "MyPump/train/._x.wav", "MyPump/train/.~x.wav", "__MACOSX/MyPump/train/y.wav")
    (tmp_path / "MyPump" / "train" / "x.wav~").write_bytes(b"x")
    clips = find_clips(tmp_path)
    assert len(clips) == 1
    assert "and 3 more are hidden or left behind" in _only(clips)


def test_a_folder_called_like_a_recording(tmp_path: Path) -> None:
    _write(tmp_path, "MyPump/train/x.wav", "MyPump/train/y.wav/z.wav")
    (tmp_path / "MyPump" / "train" / "empty.wav").mkdir()
    clips = find_clips(tmp_path)
    assert [clip.name for clip in clips] == ["x.wav", "y.wav/z.wav"]
    assert "is called like a recording and an empty folder" in _only(clips, "empty.wav")


def test_zips_whose_recordings_are_not_unpacked_are_named(tmp_path: Path) -> None:
    _write(tmp_path, f"2023/fan/train/{TRAIN}")
    for name, member in (("dev_fan.zip", f"fan/train/{TRAIN}"), ("dev_valve.zip", f"valve/train/{TRAIN}")):
        with zipfile.ZipFile(tmp_path / "2023" / name, "w") as archive:
            archive.writestr(member, b"x")
    (tmp_path / "2023" / "broken.zip").write_bytes(b"PK no zip")
    (tmp_path / "2023" / "more.7z").write_bytes(b"x")
    said = _only(find_clips(tmp_path))
    assert "3 archive(s) are not unpacked and not read: broken.zip, dev_valve.zip, more.7z" in said
    assert "unzip" in said


def test_levels_that_are_missing_or_swapped_are_said(tmp_path: Path) -> None:
    swapped = find_clips(_write(tmp_path / "a", "train/MyPump/x.wav", "test/MyPump/y.wav"))
    assert "if they are machines, move their recordings to MyPump/train and MyPump/test" in _only(
        swapped, "both hold the folder(s) MyPump"
    )
    missing = find_clips(_write(tmp_path / "b", f"dcase2024t2/train/{TRAIN}"))
    assert "is taken as a machine called dcase2024t2; if it is none, a folder MACHINE is missing" in _only(missing)
    spelt = find_clips(_write(tmp_path / "d", f"Toy_Car/train/{TRAIN}"))
    assert "is no machine of the challenge; if it is ToyCar: mv" in _only(spelt)
    days = find_clips(_write(tmp_path / "c" / "MyPump", "train/2024-01-02/x.wav", "test/2024-01-02/y.wav"))
    assert days.problems == []


@pytest.mark.skipif(os.name == "nt", reason="file names are UTF-16 there")
def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    _write(tmp_path, "MyPump/train/x.wav")
    try:
        (tmp_path / "MyPump" / "train" / os.fsdecode(b"k\xfchl.wav")).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system takes names in UTF-8 only")
    clips = find_clips(tmp_path)
    assert [clip.name for clip in clips] == ["x.wav"]
    said = _only(clips, "no UTF-8")
    assert "k\\udcfchl.wav" in said or "k\\xfchl.wav" in said
    said.encode("utf-8")


def test_a_name_that_a_spreadsheet_would_run(tmp_path: Path) -> None:
    """Names come in here and stand in every table as they are; a line a machine says so."""
    _write(
        tmp_path, "MyPump/train/=1+2.wav", "MyPump/train/@x.wav", "MyPump/train/a=1.wav", "=Fan/train/x.wav", "Saw/train/-.wav"
    )
    clips = find_clips(tmp_path)
    assert len(clips) == 5
    assert sorted(clip.name for clip in clips if clip.machine == "MyPump") == ["=1+2.wav", "@x.wav", "a=1.wav"]
    assert [problem.path.name for problem in clips.problems if "a formula" in problem.sentence] == ["=Fan", "MyPump", "Saw"]
    said = next(problem.sentence for problem in clips.problems if problem.path.name == "MyPump")
    assert said.startswith("'=1+2.wav' and 1 more begin as a formula does: a spreadsheet")


def test_nothing_is_ignored_without_a_word(tmp_path: Path) -> None:
    """Every file that is no clip stands in the count of a line."""
    _write(
        tmp_path,
        *(
            "MyPump/train/a.wav",
            "MyPump/test/ok/b.flac.wav",
            "MyPump/c.wav",
            "loose/d.wav",
            ".git/e.wav",
            "MyPump/train/._a.wav",
        ),
    )
    clips = find_clips(tmp_path)
    counts = Counter(kind for problem in clips.problems for kind in ("no train or test", "hidden") if kind in str(problem))
    assert counts == {"no train or test": 1, "hidden": 1}
    assert len(clips) == 2
