"""Recordings against published facts: what differs is named, what is not there or not known is no fault."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from submission.cli import main
from tests.zoo.trees import clip_name, write_tree, write_wav
from zoo.data import verify as verifying
from zoo.data.published import Facts, facts_of, published_rate
from zoo.data.verify import Verdict, verify
from zoo.data.wavs import SAMPLE_RATE
from zoo.data.years import YEARS

SMALL = Facts(  # what `small_2025` writes, in place of thousands of clips
    seconds=(0.05, 0.05),
    train={"source": 3, "target": 1},
    test={"source normal": 2, "source anomaly": 2, "target normal": 2, "target anomaly": 2},
    test_sum=8,
    supplemental=2,
)


@pytest.fixture
def small_2025(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """fan (development) and AutoTrash (evaluation) of 2025, and facts that fit them."""
    monkeypatch.setattr(verifying, "facts_of", lambda year, machine: SMALL)
    return write_tree(tmp_path, "2025", machines=["fan", "AutoTrash"])


def look(folder: Path, year: str | None = None) -> Verdict:
    (verdict,) = verify(folder, year)
    return verdict


def wavs(folder: Path, pattern: str) -> list[Path]:
    found = sorted(folder.glob(pattern))
    assert found
    return found


def test_recordings_as_published_have_no_faults(small_2025: Path) -> None:
    verdict = look(small_2025)
    assert verdict.faults == []
    assert [(row.machine, row.train, row.test, row.extra) for row in verdict.rows] == [
        ("AutoTrash", "4 (3 source, 1 target)", "8 (4 x 2)", 2),
        ("fan", "4 (3 source, 1 target)", "8 (4 x 2)", 2),
    ]
    assert any(note.startswith("not here: bearing, gearbox") and "--part dev" in note for note in verdict.notes)
    assert look(small_2025.parent).faults == []  # the data folder above does as well


def remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink()


def test_every_difference_is_named(small_2025: Path) -> None:
    fan = small_2025 / "dev_data/raw/fan"
    remove(wavs(fan, "train/*_target_*.wav"))
    remove(wavs(fan, "test/*_source_test_anomaly_*.wav")[:1])
    remove(wavs(fan, "supplemental/*.wav")[:1])
    one, two, three, *_ = wavs(fan, "train/*.wav")
    write_wav(one, rate=44_100)
    write_wav(two, channels=2)
    write_wav(three, seconds=0.5)
    wavs(fan, "test/*_target_*.wav")[0].write_bytes(b"RIFF")
    write_wav(fan / "train" / "holiday.wav")
    faults = "\n".join(look(small_2025).faults)
    for sentence in (
        "fan 00: 0 target training clips, as published 1 target",
        "fan 00: 1 source anomaly test clips, as published 2 source anomaly",
        "fan 00: 1 supplemental clips, as published 2",
        f"fan 00: 1 clip(s) have not 16000 Hz, first {one.name} (44100 Hz, 1 channel(s), 0.05 s)",
        f"fan 00: 1 clip(s) have not 1 channel(s), first {two.name} (16000 Hz, 2 channel(s), 0.05 s)",
        f"fan 00: 1 clip(s) are not 0.05 s long, first {three.name} (16000 Hz, 1 channel(s), 0.5 s)",
        "cannot be read",
        "train: 1 file(s) without a name of the challenge, first holiday.wav",
        "attributes_00.csv names 3 file(s) that are not there",
    ):
        assert sentence in faults
    assert "AutoTrash" not in faults


def test_a_part_that_was_not_fetched_is_a_note(small_2025: Path) -> None:
    trash = small_2025 / "eval_data/raw/AutoTrash"
    remove(wavs(trash, "test/*.wav"))
    (trash / "attributes_00.csv").unlink()
    verdict = look(small_2025)
    assert verdict.faults == []
    assert any("without test clips: AutoTrash" in note and "--part evaluation" in note for note in verdict.notes)


def test_blind_names_are_counted_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifying, "facts_of", lambda year, machine: SMALL)
    data = write_tree(tmp_path, "2025", machines=["AutoTrash"], blind=True)
    assert look(data).faults == []
    remove(wavs(data, "eval_data/raw/AutoTrash/test/*.wav")[:1])
    assert "AutoTrash 00: 7 test clips, as published 8" in look(data).faults


def test_a_clip_that_is_there_twice_is_named(small_2025: Path) -> None:
    first = wavs(small_2025, "dev_data/raw/fan/train/*.wav")[0]
    write_wav(small_2025 / "eval_data/raw/fan/train" / first.name)
    assert any("repeats 1 recording(s)" in note for note in look(small_2025).notes)
    write_wav(small_2025 / "eval_data/raw/fan/train" / first.name, seconds=0.06)
    assert any("both hold other recordings of fan" in fault for fault in look(small_2025).faults)


def test_numbers_and_attributes_of_2026(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = SMALL.model_copy(update={"test_index": (0, 9), "attributes": 2, "supplemental": 0})
    monkeypatch.setattr(verifying, "facts_of", lambda year, machine: facts)
    data = write_tree(tmp_path, "2026", machines=["fan"])
    assert look(data).faults == []
    odd = data / "dev_data/raw/fan/test" / clip_name("00", 50, "source", "test", "normal", "spd_0_mic_1")
    write_wav(odd, channels=2)
    write_wav(data / "dev_data/raw/fan/train" / clip_name("00", 9, "source", "train", "normal", "spd_7_mic_1"), channels=2)
    faults = look(data).faults
    assert f"fan 00: 1 test clip(s) are not numbered 0000 to 0009, first {odd.name}" in faults
    assert any("3 different attribute strings among the training clips, as published 2" in fault for fault in faults)


def test_old_archives_and_lost_files_are_named(small_2025: Path, tmp_path: Path) -> None:
    data = write_tree(tmp_path / "other", "2023", machines=["fan"])
    (data / "dev_fan.zip").write_bytes(b"old")
    new = write_tree(tmp_path / "new", "2026", machines=["fan"])
    (new / "zips").mkdir()
    (new / "zips" / "dev_ToyCar.zip").write_bytes(b"old")
    assert any("dev_fan.zip has md5" in fault and "record 7690157" in fault for fault in look(data).faults)
    assert any("dev_ToyCar.zip, superseded by dev_ToyCar_r2.zip" in fault for fault in look(new).faults)


def test_mimii_due_is_known_by_its_folder(tmp_path: Path) -> None:
    data = write_tree(tmp_path, "2021", machines=["fan"]).rename(tmp_path / "mimii_due")
    verdict = look(tmp_path)
    assert verdict.folder == data
    assert verdict.title == "MIMII DUE 1.01"
    assert all("s long" in fault for fault in verdict.faults)  # 0.05 s, where 10 are known


def test_recordings_of_ones_own_have_nothing_to_differ_from(tmp_path: Path) -> None:
    verdict = look(write_tree(tmp_path, "own", domains=False))
    assert verdict.faults == []
    assert [row.counted for row in verdict.rows] == [False]
    assert not verdict.published


def test_the_facts_are_of_known_machines_and_one_rate() -> None:
    assert published_rate() == SAMPLE_RATE
    fan, grinder = facts_of("2026", "fan"), facts_of("2023", "grinder")
    assert (fan.train, fan.seconds, fan.supplemental) == ({"source": 990, "target": 10}, (10, 10), 0)
    assert grinder.test is not None
    assert sum(grinder.test.values()) == grinder.test_sum == 200
    assert facts_of("2025", "fan").supplemental == 100
    assert facts_of("2021", "gearbox").train is None
    for year in YEARS:
        assert set(verifying_machines(year)) <= set(YEARS[year].machines)


def verifying_machines(year: str) -> Iterable[str]:
    from zoo.config import load_yaml, shipped_configs

    return load_yaml(shipped_configs() / "recordings.yaml")["years"][year].get("machines", {})


def test_the_command_says_so_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_tree(tmp_path, "own", domains=False)
    assert main(["data", "verify", str(data)]) == 0
    assert "nobody published these recordings" in capsys.readouterr().out


def test_the_command_says_it_and_counts(small_2025: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "verify", str(small_2025)]) == 0
    out = capsys.readouterr().out
    assert "DCASE 2025 Challenge Task 2" in out
    assert f"{small_2025}: as published, as far as the facts go" in out
    remove(wavs(small_2025, "dev_data/raw/fan/train/*_target_*.wav"))
    assert main(["data", "verify", str(small_2025), "--year", "2025"]) == 1
    out = capsys.readouterr().out
    assert "error: fan 00: 0 target training clips, as published 1 target" in out
    assert "2 fault(s)" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "there is no folder nowhere"),
        ([".", "--year", "2019"], "unknown year '2019'"),
        (["."], "holds no recordings"),
    ],
)
def test_wrong_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["data", "verify", *arguments]) == 2
    error, hint = capsys.readouterr().err.strip().splitlines()
    assert message in error
    assert hint.startswith("hint: ")


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ([], ["19336329", "4.8 GB", "nttcslab/dcase2026_task2_evaluator", "LICENSEv2.1.pdf", "4740355"]),
        (
            ["--year", "2026"],
            ["dev_ToyCar_r2.zip", "353201db217e25377a7e7eccf9c1c8a7", "not to be used any more: dev_ToyCar.zip"],
        ),
        (["--year", "mimii_due"], ["eval_data_valve_train.zip", "758.3 MB"]),
    ],
)
def test_the_list(capsys: pytest.CaptureFixture[str], arguments: list[str], shown: list[str]) -> None:
    assert main(["data", "list", *arguments]) == 0
    out = capsys.readouterr().out
    assert [text for text in shown if text not in out] == []


def test_the_list_of_no_year(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "list", "--year", "2019"]) == 2
    assert "unknown data set '2019'" in capsys.readouterr().err
