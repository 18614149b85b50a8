"""`asdzoo data fetch` as a person runs it, against a server that misbehaves; 2025 has no checksums of its own, 2026 has."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest

from submission.cli import main
from tests.zoo.data.mirror import Fault, Mirror, zipped
from tests.zoo.trees import write_tree
from zoo.data import transfer
from zoo.data.manifest import Manifest
from zoo.data.transfer import Patience

DEV, ADDITIONAL, EVALUATION = 15097779, 15392814, 15519362
ROOT = Path("data/dcase2025t2")


def recordings(machine: str, *parts: str, count: int = 3) -> dict[str, bytes]:
    """Members of a zip: noise under true names."""
    return {
        f"{machine}/{part}/section_00_source_{part}_normal_{index:04d}_noAttribute.wav": os.urandom(400)
        for part in parts
        for index in range(count)
    } | {f"{machine}/attributes_00.csv": b"file_name\n"}


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    """A mirror of 2025, and an empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(transfer, "PATIENCE", Patience(timeout=0.3, tries=3, first_wait=0.01, longest_wait=1.0))
    with Mirror() as mirror:
        for machine in ("bearing", "fan", "gearbox", "slider", "ToyCar", "ToyTrain", "valve"):
            mirror.put(DEV, f"dev_{machine}.zip", zipped(recordings(machine, "train", "test")))
        for machine in (
            "AutoTrash",
            "BandSealer",
            "CoffeeGrinder",
            "HomeCamera",
            "Polisher",
            "ScrewFeeder",
            "ToyPet",
            "ToyRCCar",
        ):
            mirror.put(ADDITIONAL, f"eval_data_{machine}_train.zip", zipped(recordings(machine, "train")))
            mirror.put(EVALUATION, f"eval_data_{machine}_test.zip", zipped(recordings(machine, "test")))
        yield mirror


def fetch(mirror: Mirror, *arguments: str, year: str = "2025") -> int:
    return main(["data", "fetch", year, "--base-url", mirror.url, *arguments])


def refused(capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """Message and hint on stderr; warnings may come before."""
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines[-2].startswith("error: ")
    assert lines[-1].startswith("hint: ")
    return lines[-2].removeprefix("error: "), lines[-1].removeprefix("hint: ")


def tree(folder: Path) -> dict[str, tuple[bytes, float]]:
    """Path -> contents and time, of what a later command sees."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != ".lock")
    return {path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime) for path in found}


def test_a_year_is_fetched_into_the_layout_of_the_baseline(mirror: Mirror, capsys: pytest.CaptureFixture[str]) -> None:
    mirror.faults["dev_fan.zip"] = [Fault("slow", 10)]
    assert fetch(mirror) == 0
    out = capsys.readouterr().out
    assert len(list(ROOT.glob("dev_data/raw/*/train/*.wav"))) == 21
    assert len(list(ROOT.glob("eval_data/raw/*/*/*.wav"))) == 48
    assert not (ROOT / "zips").exists()
    assert (
        out.index("licence: cc-by-4.0") < out.index("to fetch: 23 archive(s)") < out.index("1 of 23: dev_bearing.zip is whole")
    )
    assert "next: asdzoo data verify data/dcase2025t2" in out
    assert mirror.interleaved == 0
    entries = Manifest(ROOT).entries
    assert len(entries) == 23
    assert entries["dev_fan.zip"].licence == "cc-by-4.0"
    assert entries["dev_fan.zip"].md5 == mirror.records[DEV]["dev_fan.zip"]["checksum"].removeprefix("md5:")  # type: ignore[attr-defined]


def test_the_second_time_nothing_is_done_or_asked(mirror: Mirror, capsys: pytest.CaptureFixture[str]) -> None:
    assert fetch(mirror, "--part", "dev") == 0
    before, asked = tree(Path()), len(mirror.asked)
    capsys.readouterr()
    assert fetch(mirror, "--part", "dev") == 0
    assert "7 of 7 archive(s) are here already" in capsys.readouterr().out
    assert tree(Path()) == before
    assert len(mirror.asked) == asked


def test_one_machine_and_its_zip_elsewhere(mirror: Mirror) -> None:
    assert fetch(mirror, "--machine", "fan", "--machine", "ToyPet", "--keep-zips", "--to", "elsewhere") == 0
    root = Path("elsewhere/dcase2025t2")
    kept = ["dev_fan.zip", "eval_data_ToyPet_test.zip", "eval_data_ToyPet_train.zip"]
    assert sorted(path.name for path in (root / "zips").iterdir()) == kept
    assert sorted(path.name for path in root.glob("*/raw/*")) == ["ToyPet", "fan"]


@pytest.mark.parametrize("damage", ["one file gone", "one cut", "a folder gone", "manifest gone"])
@pytest.mark.parametrize("keep", [True, False])
def test_a_damaged_folder_is_repaired(mirror: Mirror, damage: str, keep: bool) -> None:
    arguments = ["--machine", "fan", *(["--keep-zips"] if keep else [])]
    assert fetch(mirror, *arguments) == 0
    whole, asked = tree(Path()), len(mirror.downloads())
    wav = min(ROOT.rglob("*.wav"))
    if damage == "one file gone":
        wav.unlink()
    elif damage == "one cut":
        wav.write_bytes(b"RIFF")
    elif damage == "a folder gone":
        shutil.rmtree(wav.parent)
    else:
        (ROOT / "manifest.json").unlink()
    assert fetch(mirror, *arguments) == 0
    again = tree(Path())
    if damage == "manifest gone" and keep:  # asdzoo no longer knows that the zip is its own
        for one in (whole, again):
            one.pop("data/dcase2025t2/manifest.json")
    assert {name: contents for name, (contents, _) in again.items()} == {
        name: contents for name, (contents, _) in whole.items()
    }
    assert {name: when for name, (_, when) in again.items() if name.endswith(".wav")} == {
        name: when for name, (_, when) in whole.items() if name.endswith(".wav")
    }
    assert len(mirror.downloads()) == asked + (not keep)


def test_cuts_stalls_and_refusals_are_overcome_and_said(mirror: Mirror, capsys: pytest.CaptureFixture[str]) -> None:
    mirror.faults["15097779"] = [Fault("status", 429)]
    mirror.faults["dev_fan.zip"] = [Fault("cut", 100), Fault("status", 403), Fault("stall", 50), Fault("whole")]
    assert fetch(mirror, "--machine", "fan") == 0
    warnings = capsys.readouterr().err
    for sentence in (
        "15097779: ",
        "answered 429",
        "cut at 100 of",
        "answered 403",
        "nothing came for 0.3 s",
        "from the beginning",
    ):
        assert sentence in warnings


def test_a_refusal_that_stays_is_one_sentence_and_the_same_command_goes_on(
    mirror: Mirror, capsys: pytest.CaptureFixture[str]
) -> None:
    mirror.faults["dev_gearbox.zip"] = [Fault("cut", 100)] + [Fault("status", 403)] * 5
    arguments = ["--part", "dev", "--machine", "fan", "--machine", "gearbox"]
    assert fetch(mirror, *arguments) == 2
    message, hint = refused(capsys)
    assert message.startswith(f"dev_gearbox.zip: {mirror.url.removeprefix('http://')} answered 403 Forbidden (3 tries in ")
    command = f"asdzoo data fetch 2025 --part dev --machine fan --machine gearbox --base-url {mirror.url}"
    assert f"wait some minutes, then: {command}" in hint
    assert (ROOT / "zips/dev_gearbox.zip.part").stat().st_size == 100
    assert len(list(ROOT.glob("dev_data/raw/fan/*/*.wav"))) == 6
    mirror.faults.clear()
    mirror.asked.clear()
    assert main(command.split()[1:]) == 0
    assert [(one.file, one.range) for one in mirror.downloads()] == [("dev_gearbox.zip", "bytes=100-")]


def test_a_wrong_md5_names_both_and_leaves_nothing(mirror: Mirror, capsys: pytest.CaptureFixture[str]) -> None:
    true = str(mirror.records[DEV]["dev_fan.zip"]["checksum"]).removeprefix("md5:")
    mirror.put(DEV, "dev_fan.zip", mirror.files[f"/records/{DEV}/files/dev_fan.zip"], md5="0" * 32)
    assert fetch(mirror, "--machine", "fan") == 2
    message, hint = refused(capsys)
    assert f"dev_fan.zip has md5 {true}, its record says {'0' * 32}" in message
    assert hint.startswith("asdzoo data fetch 2025 --machine fan")
    assert not list(ROOT.rglob("*.wav"))
    assert not list(ROOT.rglob("*.zip*"))


def test_a_part_of_another_file_is_begun_again(mirror: Mirror, capsys: pytest.CaptureFixture[str]) -> None:
    part = ROOT / "zips/dev_fan.zip.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"of another release")
    assert fetch(mirror, "--machine", "fan") == 0
    assert "what was here before did not fit" in capsys.readouterr().out
    assert [one.range for one in mirror.downloads()] == ["bytes=18-", ""]


def test_another_size_is_an_error(mirror: Mirror, capsys: pytest.CaptureFixture[str]) -> None:
    mirror.put(DEV, "dev_fan.zip", mirror.files[f"/records/{DEV}/files/dev_fan.zip"], size=12)
    assert fetch(mirror, "--machine", "fan") == 2
    assert "where its record says 12" in refused(capsys)[0]


def test_a_mirror_may_not_overrule_what_is_known(mirror: Mirror, capsys: pytest.CaptureFixture[str]) -> None:
    mirror.put(19336329, "dev_fan.zip", zipped(recordings("fan", "train")))
    assert fetch(mirror, "--machine", "fan", year="2026") == 2
    message, hint = refused(capsys)
    assert "the one known here is 58b79bac4b05bf14a11e9d53e6cdfae9" in message
    assert "is no true copy" in message
    assert "--base-url" in hint
    assert mirror.downloads() == []


def test_a_mirror_without_records_is_said(mirror: Mirror, capsys: pytest.CaptureFixture[str]) -> None:
    mirror.records.clear()
    assert fetch(mirror, "--machine", "fan") == 0
    captured = capsys.readouterr()
    assert "says nothing about record 15097779" in captured.err
    assert "1 of unknown size" in captured.out


def test_a_zip_that_is_damaged_in_its_record(mirror: Mirror, capsys: pytest.CaptureFixture[str]) -> None:
    contents = bytearray(mirror.files[f"/records/{DEV}/files/dev_fan.zip"])
    contents[100:110] = b"0123456789"
    mirror.put(DEV, "dev_fan.zip", bytes(contents))
    assert fetch(mirror, "--machine", "fan") == 2
    message, hint = refused(capsys)
    assert "dev_fan.zip is damaged at fan/train/" in message
    assert "tell its owners" in hint
    assert not list(ROOT.rglob("*.wav"))


def test_an_evil_zip_writes_nothing(mirror: Mirror, capsys: pytest.CaptureFixture[str]) -> None:
    mirror.put(DEV, "dev_fan.zip", zipped(recordings("fan", "train") | {"../../../../evil.wav": b"evil"}))
    assert fetch(mirror, "--machine", "fan") == 2
    assert "'../../../../evil.wav' leaves the folder" in refused(capsys)[0]
    assert not list(Path().rglob("*.wav"))


def test_the_room_on_the_disk_is_looked_at_first(
    mirror: Mirror, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda path: usage(10_000, 5_000, 5_000))
        assert fetch(mirror, "--part", "dev") == 2
    message, hint = refused(capsys)
    assert "data/dcase2025t2 has room for 5.0 kB, and this takes about " in message
    assert "--machine" in hint
    assert mirror.downloads() == []


def test_a_disk_that_fills_up_on_the_way_keeps_what_is_there(
    mirror: Mirror, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfileobj", full)
        assert fetch(mirror, "--machine", "fan") == 2
    message, hint = refused(capsys)
    assert "No space left on device" in message
    assert "run the same command again" in hint
    assert not list(ROOT.rglob("*.wav"))
    assert fetch(mirror, "--machine", "fan") == 0
    assert len(mirror.downloads()) == 1
    assert len(list(ROOT.rglob("*.wav"))) == 6


def test_zips_of_ones_own_are_used_and_kept(mirror: Mirror) -> None:
    zips = ROOT / "zips"
    zips.mkdir(parents=True)
    (zips / "dev_fan.zip").write_bytes(mirror.files[f"/records/{DEV}/files/dev_fan.zip"])
    assert fetch(mirror, "--machine", "fan") == 0
    assert mirror.downloads() == []
    assert (zips / "dev_fan.zip").exists()


def test_old_files_are_named(mirror: Mirror, capsys: pytest.CaptureFixture[str]) -> None:
    zips = Path("data/dcase2024t2/zips")
    zips.mkdir(parents=True)
    (zips / "eval_data_3DPrinter_train.zip").write_bytes(b"old")
    (zips / "dev_fan.zip").write_bytes(b"other")
    mirror.put(10902294, "dev_fan.zip", zipped(recordings("fan", "train")))
    assert fetch(mirror, "--machine", "fan", year="2024") == 2
    captured = capsys.readouterr().err
    assert "holds eval_data_3DPrinter_train.zip, superseded by eval_data_3DPrinter_train_r2.zip" in captured
    assert "move it away: mv data/dcase2024t2/zips/dev_fan.zip" in captured


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["2019"], "unknown data set '2019'", "known: 2020"),
        (["2025", "--part", "train"], "unknown part 'train'", "known: dev"),
        (["2025", "--machine", "fna"], "unknown machine 'fna' (did you mean fan?)", "known: bearing"),
        (["2025", "--part", "dev", "--machine", "ToyPet"], "ToyPet is not in the part dev", "--part additional"),
        (["mimii_due", "--part", "evaluation"], "has no part evaluation", "it has dev, additional"),
        (["2025", "--part", "truth", "--machine", "fan"], "the truth comes for all machines", "--part truth"),
        (["mimii_due", "--part", "truth"], "has no evaluator", "leave out"),
        (["2025", "--part", "truth", "--to", "data"], "data lies within a folder of recordings", "--to truth"),
        (["2025", "--part", "truth", "--to", "x/dcase2025t2/t"], "lies within a folder of recordings", "--to truth"),
        (["2025", "--base-url", "ftp://x"], "is no web address", "https://"),
    ],
)
def test_wrong_arguments(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
    hint: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["data", "fetch", *arguments]) == 2
    said = refused(capsys)
    assert message in said[0]
    assert hint in said[1]


def test_a_manifest_that_is_none(mirror: Mirror, capsys: pytest.CaptureFixture[str]) -> None:
    ROOT.mkdir(parents=True)
    (ROOT / "manifest.json").write_text(json.dumps({"archives": {"dev_fan.zip": {"md5": 3}}}))
    assert fetch(mirror, "--machine", "fan") == 2
    message, hint = refused(capsys)
    assert "manifest.json is no manifest" in message
    assert "move it away" in hint


def test_the_truth_lands_outside_the_data_folder(mirror: Mirror, capsys: pytest.CaptureFixture[str]) -> None:
    repository = {"dcase2025_task2_evaluator-abc/ground_truth_data/a.csv": b"1", "dcase2025_task2_evaluator-abc/LICENSE": b"2"}
    mirror.files["/nttcslab/dcase2025_task2_evaluator/archive/HEAD.zip"] = zipped(repository)
    for said in ("2 files in", "it is here already"):
        assert fetch(mirror, "--part", "truth") == 0
        out = capsys.readouterr().out
        assert said in out
        assert "no redistribution" in out
        assert "next: asdzoo evaluate --package FILE --truth truth/dcase2025_task2_evaluator" in out
    assert Path("truth/dcase2025_task2_evaluator/ground_truth_data/a.csv").read_bytes() == b"1"
    assert len(mirror.asked) == 1
    assert not Path("data").exists()


def test_the_truth_does_not_go_among_recordings(mirror: Mirror, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recordings_of_2024 = write_tree(tmp_path / "mine", "2024", machines=["fan"])
    assert fetch(mirror, "--part", "truth", "--to", str(recordings_of_2024.parent)) == 2
    assert "is a folder of recordings" in refused(capsys)[0]


def command(mirror: Mirror, folder: Path) -> "subprocess.Popen[str]":
    """`asdzoo data fetch 2025 --part dev` as a process of its own, in `folder`."""
    arguments = ["data", "fetch", "2025", "--part", "dev", "--base-url", mirror.url]
    code = f"import sys; from submission.cli import main; sys.exit(main({arguments!r}))"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    return subprocess.Popen([sys.executable, "-c", code], cwd=folder, env=environment, text=True, stderr=subprocess.PIPE)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_stopped_at_any_time_nothing_is_lost(mirror: Mirror, tmp_path: Path, how: signal.Signals) -> None:
    for machine in ("fan", "gearbox", "valve"):
        mirror.put(DEV, f"dev_{machine}.zip", zipped(recordings(machine, "train", "test", count=60)))
        mirror.faults[f"dev_{machine}.zip"] = [Fault("slow", 2000)] * 9
    for pause in (0.0, 0.15, 0.35):
        process = command(mirror, tmp_path)
        begun = len(mirror.asked)
        deadline = time.monotonic() + 30
        while len(mirror.asked) == begun and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(pause)
        process.send_signal(how)
        _, errors = process.communicate(timeout=30)
        if how == signal.SIGINT and process.returncode:
            assert process.returncode == 130
            assert "run the same command again" in errors
    mirror.faults.clear()
    assert fetch(mirror, "--part", "dev") == 0
    broken = tree(ROOT)
    fetched = sum(1 for one in mirror.downloads() if not one.range)
    assert fetched <= 7 + 3  # of each stop at most one archive was begun without a byte having come
    shutil.rmtree(ROOT)
    assert fetch(mirror, "--part", "dev") == 0
    assert broken == tree(ROOT) | {"manifest.json": broken["manifest.json"]}


def test_only_one_process_writes(mirror: Mirror, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mirror.faults["dev_bearing.zip"] = [Fault("stall", 10)] * 9
    process = command(mirror, tmp_path)
    while not mirror.downloads():
        time.sleep(0.01)
    assert fetch(mirror, "--part", "dev") == 2
    message, hint = refused(capsys)
    assert "another `asdzoo data fetch` is at work in data/dcase2025t2" in message
    assert "wait for it" in hint
    process.kill()
    process.communicate()
