"""`asdzoo check`: every fault of a corpus of broken packages is found, named and located, and nothing else is accused."""

import json
from pathlib import Path

import pytest

from submission.checking.check import check
from submission.checking.expected import expected_clips
from submission.checking.rules import Part, rules_of
from submission.cli import main
from submission.writing.team import read_team
from submission.writing.write import prepare
from tests.submission.conftest import make_run_in
from tests.submission.corpus import CORPUS, HARMLESS
from tests.submission.packages import DECISIONS, META, SCORES, Files, content, line, moved, replaced, rows, together, write_zip
from zoo.errors import AsdzooError


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """The files of a good package of 2024: one system, with development results and a report."""
    folder = tmp_path_factory.mktemp("good")
    run = make_run_in(folder, clips=200, development=["ToyCar"])
    paper = folder / "paper.pdf"
    paper.write_bytes(b"%PDF-1.7\n" + b"% a page\n" * 40)
    return prepare(run, ["both"], read_team(folder / "team.yaml"), report=paper).files


def line_of(files: Files, place: str) -> str:
    """`FILE:text` as `FILE:number`, where text that is no number is looked up in the file."""
    path, _, text = place.partition(":")
    if not text or text.isdigit():
        return place
    return f"{path}:{next(number for number, one in enumerate(files[path].decode().splitlines(), 1) if text in one)}"


def test_the_good_package_has_no_fault(good: Files, tmp_path: Path) -> None:
    report = check(write_zip(good, tmp_path / "p.zip"))
    assert report.faults == ()
    assert report.year == "2024"
    assert report.systems == ("Jiang_THUEE_task2_1",)


@pytest.mark.parametrize("name", CORPUS)
def test_every_fault_is_found_and_nothing_else(name: str, good: Files, tmp_path: Path) -> None:
    damage, codes, place = CORPUS[name]
    files = dict(good)
    damage(files)
    report = check(write_zip(files, tmp_path / "p.zip"))
    found = {fault.code for fault in report.errors} | {f"~{fault.code}" for fault in report.warnings}
    assert found == set(codes.split())
    assert line_of(files, place) in {fault.where for fault in report.faults} or report.faults[0].where.startswith(place)
    for fault in report.faults:
        assert fault.message
        assert fault.hint
        assert "\n" not in fault.message + fault.hint


@pytest.mark.parametrize("name", HARMLESS)
def test_what_real_packages_have_is_no_fault(name: str, good: Files, tmp_path: Path) -> None:
    files = dict(good)
    HARMLESS[name](files)
    assert check(write_zip(files, tmp_path / "p.zip")).faults == ()


def test_a_number_written_otherwise_is_named_as_it_should_be(good: Files, tmp_path: Path) -> None:
    for text, number in (("1.2e6", "1200000"), ("4,204,083", "4204083"), ("97.58M", "97580000"), ("45 G", "45000000000")):
        files = dict(good)
        replaced(META, "97580000", text)(files)
        (fault,) = check(write_zip(files, tmp_path / "p.zip")).errors
        assert fault.hint.startswith(f"write {number}; ")
    for text in ("many", "1e99999999", "0x12", "1.2.3", "-5M", "1e18"):
        files = dict(good)
        replaced(META, "97580000", f"'{text}'")(files)
        (fault,) = check(write_zip(files, tmp_path / "p.zip")).errors
        assert not fault.hint.startswith("write")


def test_a_line_for_each_kind_or_for_each_fault(good: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {name: b"file_name,value\n" + data if name.endswith(".csv") else data for name, data in good.items()}
    package = write_zip(files, tmp_path / "p.zip")
    assert main(["check", str(package)]) == 1
    shown = capsys.readouterr().out.splitlines()
    first = "task2/Jiang_THUEE_task2_1/anomaly_score_3DPrinter_section_00_test.csv:1"
    assert shown[0] == f"error in 18 files, the first is {first}: a header (file_name,value) [csv-header]"
    assert "17 more of these kinds" in shown[2]
    assert "18 errors, 0 warnings" in shown[-1]
    assert main(["check", str(package), "--all"]) == 1
    shown = capsys.readouterr().out.splitlines()
    assert sum("csv-header" in one for one in shown) == 18
    assert "more of these kinds" not in " ".join(shown)


def test_the_corpus_has_forty_kinds_of_fault() -> None:
    kinds = {code for _, codes, _ in CORPUS.values() for code in codes.split()}
    assert len(kinds) >= 40
    assert len(CORPUS) >= 100


def test_a_folder_is_checked_like_its_zip(good: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = dict(good)
    together(line(SCORES, 3, "{clip},nan"), moved(META, META.replace(".yaml", ".yml")))(files)
    for name, data in files.items():
        path = tmp_path / "package" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    zipped = check(write_zip(files, tmp_path / "p.zip"))
    assert check(tmp_path / "package").faults == zipped.faults
    monkeypatch.chdir(tmp_path / "package" / "task2")
    of_task2 = check(Path()).faults
    assert [(fault.code, f"task2/{fault.where}") for fault in of_task2] == [
        (fault.code, fault.where) for fault in zipped.faults
    ]


def test_many_faults_are_reported_at_once(good: Files, tmp_path: Path) -> None:
    files = dict(good)
    for name in ("header", "CRLF", ".yml", "decision 2", "stray file"):
        CORPUS[name][0](files)
    report = check(write_zip(files, tmp_path / "p.zip"))
    assert {fault.code for fault in report.faults} == {
        "csv-header",
        "csv-line-ends",
        "meta-name",
        "decision-value",
        "stray-file",
    }


def test_clips_are_compared_with_a_data_folder(good: Files, tmp_path: Path) -> None:
    clips = {f"section_00_{index:04d}.wav" for index in range(200)}
    expected = {Part("Scanner", "00"): frozenset(clips), Part("Sander", "00"): frozenset(clips)}
    files = {name: data for name, data in good.items() if "section" not in name or "Scanner" in name}
    path = write_zip(files, tmp_path / "p.zip")
    assert {fault.code for fault in check(path, "2024", expected).faults} == {"part-missing"}
    for target in (SCORES, DECISIONS):
        rows(target, lambda old: [*old[:-2], old[-1].replace("0199", "0200")])(files)
    faults = {fault.code: fault for fault in check(write_zip(files, path), "2024", expected).faults}
    assert set(faults) == {"part-missing", "clip-missing", "clip-unknown"}
    assert "2 test clips" in faults["clip-missing"].message
    assert "section_00_0198.wav" in faults["clip-missing"].message
    assert "section_00_0200.wav" in faults["clip-unknown"].message


def test_data_option_reads_the_recordings(
    good: Files, tmp_path: Path, tiny_wav: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    for machine in ("Scanner", "ToyCircuit"):
        for split, names in (("train", ["section_00_source_train_normal_0000_x.wav"]), ("test", ["section_00_0000.wav"])):
            folder = tmp_path / "data" / machine / split
            folder.mkdir(parents=True)
            for name in names:
                (folder / name).write_bytes(tiny_wav)
    path = write_zip(good, tmp_path / "p.zip")
    assert main(["check", str(path), "--data", str(tmp_path / "data"), "--year", "2024", "--all"]) == 1
    shown = capsys.readouterr().out
    assert "199 rows are of no test clip, the first is section_00_0001.wav" in shown
    assert "Sander" not in shown
    assert "HairDryer 00 is not in the evaluation set" in shown


def test_data_without_blind_clips_or_without_test_clips(good: Files, tmp_path: Path, tiny_wav: bytes) -> None:
    path = write_zip(good, tmp_path / "p.zip")
    train = tmp_path / "data" / "Scanner" / "train" / "section_00_source_train_normal_0000_x.wav"
    train.parent.mkdir(parents=True)
    train.write_bytes(tiny_wav)
    with pytest.raises(AsdzooError, match="no test clips"):
        expected_clips(tmp_path / "data", "2024")
    test = tmp_path / "data" / "Scanner" / "test" / "section_00_source_test_normal_0000_x.wav"
    test.parent.mkdir()
    test.write_bytes(tiny_wav)
    expected, year, said = expected_clips(tmp_path / "data")
    assert ["is byte for byte the training clip" in one for one in said] == [True]
    assert (expected, year) == ({Part("Scanner", "00"): frozenset({test.name})}, "2024")
    assert {"clip-missing", "clip-unknown"} <= {fault.code for fault in check(path, year, expected).faults}


def test_rules_of_another_year(good: Files, tmp_path: Path) -> None:
    path = write_zip(good, tmp_path / "p.zip")
    assert "not-evaluation" in {fault.code for fault in check(path, "2023").faults}
    with pytest.raises(AsdzooError, match="unknown year '2019'"):
        check(path, "2019")


def test_command(good: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_zip(good, tmp_path / "p.zip")
    assert main(["check", str(path)]) == 0
    assert "1 system, rules of 2024: 0 errors, 0 warnings" in capsys.readouterr().out
    files = dict(good)
    content(SCORES, b"file,score\n")(files)
    assert main(["check", str(write_zip(files, path)), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["errors"] == 2
    assert report["notes"] == list(rules_of("2024").unverified)
    assert report["faults"][0].keys() == {"code", "level", "message", "hint", "file", "line"}


def test_no_package(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path / "none.zip")]) == 2
    assert "error: no package at" in capsys.readouterr().err
    text = tmp_path / "a.zip"
    text.write_text("not a zip")
    assert main(["check", str(text)]) == 2
    assert "is not a zip" in capsys.readouterr().err
