"""Packages with the faults of real ones, submitted or published: each is read, and gets faults that help."""

from pathlib import Path

import pandas as pd
import pytest
import yaml
from scipy.stats import hmean
from sklearn.metrics import roc_auc_score

from submission.checking.check import check
from submission.checking.faults import Findings
from submission.checking.rules import Part, rules_of
from submission.writing.team import read_team
from submission.writing.write import prepare
from tests.submission.conftest import make_run_in, table
from tests.submission.packages import Files, write_zip
from zoo.scores import ScoreTable


def package_of(year: str, folder: Path) -> Files:
    """A good package of a year, without a report."""
    run = make_run_in(folder, year, clips=200 if rules_of(year).clips_per_part else 10, train=20)
    return prepare(run, ["both"], read_team(folder / "team.yaml")).files


def found(files: Files, tmp_path: Path) -> Findings:
    return check(write_zip(files, tmp_path / "p.zip"))


def codes(report: Findings) -> dict[str, int]:
    """Code -> how many files have it."""
    return {code: sum(fault.code == code for fault in report.faults) for code in {fault.code for fault in report.faults}}


def test_2022_with_the_page_s_names_and_authors_in_the_wrong_column(tmp_path: Path) -> None:
    files = {name.replace("_test.csv", ".csv"): data for name, data in package_of("2022", tmp_path).items()}
    meta = next(name for name in files if name.endswith(".yaml"))
    text = files[meta].decode().replace("    - lastname: Müller", "        - lastname: Müller")
    files[meta] = text.encode()
    report = found(files, tmp_path)
    assert report.year == "2022"
    assert codes(report) == {"file-name": 42, "yaml-syntax": 1, "no-report": 1}
    assert [fault.code for fault in report.errors] == ["yaml-syntax"]
    assert "one column" in report.errors[0].hint
    assert "Müller" in text.splitlines()[(report.errors[0].line or 0) - 1]
    files[meta] = text.replace("        - lastname: Müller", "    - lastname: Müller").replace("97580000", "4,204,083").encode()
    (fault,) = found(files, tmp_path).errors
    assert fault.code == "meta-number"
    assert "no commas" in fault.hint


def test_2025_participants_metadata(tmp_path: Path) -> None:
    folder = "task2/MeghanKret_Cooper_task2_1"
    files = {}
    for name, data in package_of("2025", tmp_path).items():
        files[name.replace("task2/Jiang_THUEE_task2_1", folder)] = data
    meta = files.pop(f"{folder}/Jiang_THUEE_task2_1.meta.yaml").decode()
    meta = meta.replace("label: Jiang_THUEE_task2_1", "label: Kret_CU_task2_1").replace("97580000", "null")
    meta = meta.replace("development_dataset: null", "development_dataset:\n    fan: {auc_source: 61.1, pauc: 5.33}")
    files[f"{folder}/MeghanKret_Cooper_task2_1.meta.yml"] = meta.encode()
    report = found(files, tmp_path)
    assert report.year == "2025"
    assert codes(report) == {"meta-name": 1, "label-differs": 1, "meta-number": 1, "result-pauc": 1, "no-report": 1}
    assert {fault.code: fault.hint for fault in report.faults}["meta-name"] == "name it MeghanKret_Cooper_task2_1.meta.yaml"


def test_2020_with_one_digit_ids(tmp_path: Path) -> None:
    files = {name.replace("_id_0", "_id_"): data for name, data in package_of("2020", tmp_path).items()}
    report = found(files, tmp_path)
    assert report.year == "2020"
    assert codes(report) == {"file-name": 18, "no-report": 1}
    assert report.errors[0].hint == "rename it to anomaly_score_ToyCar_id_05.csv"


def test_2026_flat_without_metadata_with_headers_and_crlf(tmp_path: Path) -> None:
    files = {}
    for name, data in package_of("2026", tmp_path).items():
        if name.endswith(".csv"):
            files[name.rpartition("/")[2]] = b"file_name,value\r\n" + data.replace(b"\n", b"\r\n")
    report = found(files, tmp_path)
    assert report.year == "2026"
    assert codes(report) == {"no-system-folder": 1, "meta-missing": 1, "csv-header": 10, "csv-line-ends": 10, "no-report": 1}


def test_2022_with_only_the_last_section(tmp_path: Path) -> None:
    files = {
        name: data
        for name, data in package_of("2022", tmp_path).items()
        if not ("_section_03" in name or "_section_04" in name)
    }
    report = found(files, tmp_path)
    missing = [fault for fault in report.errors if fault.code == "part-missing"]
    assert len(missing) == 14
    assert missing[0].message == "no scores for ToyCar 03"
    assert codes(report) == {"part-missing": 14, "no-report": 1}


def test_a_folder_of_one_system_as_it_lies_on_disk(tmp_path: Path) -> None:
    folder = tmp_path / "Jiang_THUEE_task2_1"
    folder.mkdir()
    for name, data in package_of("2024", tmp_path).items():
        (folder / name.rpartition("/")[2]).write_bytes(data)
    report = check(folder)
    assert codes(report) == {"no-system-folder": 1, "no-report": 1}
    assert "task2/LABEL/" in report.errors[0].hint


@pytest.mark.parametrize(
    ("names", "year"),
    [
        (["anomaly_score_ToyCar_id_05.csv"], "2020"),
        (["anomaly_score_ToyCar_section_03_source_test.csv"], "2021"),
        (["anomaly_score_ToyCar_section_03_test.csv"], "2022"),
        (["anomaly_score_pump_section_03_source_test.csv"], "2021"),
        (["anomaly_score_Vacuum_section_00_test.csv"], "2023"),
        (["anomaly_score_ToothBrush_section_00_test.csv", "anomaly_score_Scanner_section_00_test.csv"], "2024"),
        (["anomaly_score_ToothBrush_section_00_test.csv", "anomaly_score_Sander_section_00_test.csv"], "2026"),
        (["anomaly_score_ToothBrush_section_00_test.csv"], "2026"),
        (["anomaly_score_toyrccar_section_00_test.csv"], "2025"),
        (["anomaly_score_ToyCar_section_00_test.csv"], "own"),
        (["anomaly_score_MyPump_section_00_test.csv"], "own"),
        (["anomaly_score_SynthFan_section_00_test.csv", "anomaly_score_SynthScanner_section_00_test.csv"], "2024"),
        (["anomaly_score_SynthFan_section_00_test.csv", "anomaly_score_MyPump_section_00_test.csv"], "own"),
        (["anomaly_score.csv"], "own"),
    ],
)
def test_the_year_follows_from_the_machines(names: list[str], year: str, tmp_path: Path) -> None:
    assert found({f"task2/A_B_task2_1/{name}": b"a.wav,1\n" for name in names}, tmp_path).year == year


def test_2021_needs_the_domain_in_the_name(tmp_path: Path) -> None:
    report = check(
        write_zip({"task2/A_B_task2_1/anomaly_score_pump_section_03_test.csv": b"a.wav,1\n"}, tmp_path / "p.zip"), "2021"
    )
    assert "one file for source and one for target" in {fault.hint.partition("has ")[2] for fault in report.errors}


def test_2021_has_a_template_of_its_own(tmp_path: Path) -> None:
    """Results over sections and domains together; no words for what came in 2022."""
    run = make_run_in(tmp_path, "2021", clips=200, train=20)
    labelled = [Part("fan", section, domain) for section in ("00", "01") for domain in ("source", "target")]
    frame = pd.concat([run.scores("both").frame, table("2021", "both", labelled, blind=False, clips=40, seed=5)])
    ScoreTable(frame).write(run.score_path("both"))
    files = prepare(run, ["both"], read_team(tmp_path / "team.yaml")).files
    assert codes(found(files, tmp_path)) == {"no-report": 1}
    name = next(name for name in files if name.endswith(".yaml"))
    meta = yaml.safe_load(files[name])
    assert "external_datasets" not in meta["system"]
    assert "domain_adaptation_method" in meta["system"]["description"]
    assert not {"domain_generalization_method", "attribute_usage"} & set(meta["system"]["description"])
    test = frame[(frame["machine"] == "fan") & (frame["label"] != "") & (frame["split"] == "test")]
    clips = [rows for _, rows in test.groupby(["section", "domain"])]
    aucs = [roc_auc_score(rows["label"] == "anomaly", rows["score"]) for rows in clips]
    paucs = [roc_auc_score(rows["label"] == "anomaly", rows["score"], max_fpr=0.1) for rows in clips]
    assert meta["results"]["development_dataset"]["fan"] == {
        "harmonic_mean_auc": pytest.approx(100 * hmean(aucs), abs=1e-6),
        "harmonic_mean_pauc": pytest.approx(100 * hmean(paucs), abs=1e-6),
    }
    meta["system"]["external_datasets"] = [{"name": "AudioSet", "url": None}]
    meta["system"]["description"]["attribute_usage"] = "labels"
    files[name] = yaml.safe_dump(meta).encode()
    assert codes(found(files, tmp_path)) == {"no-report": 1, "meta-later-key": 2}


def test_2026_has_five_machines_of_200_clips(tmp_path: Path) -> None:
    rules = rules_of("2026")
    assert rules.machines == ("BlowerDustCollector", "Sander", "SewingMachine", "ToothBrush", "ToyDrone")
    assert rules.clips_per_part == 200
    files = {name: data for name, data in package_of("2026", tmp_path).items() if "_Sander_" not in name}
    sewing = next(name for name in files if "score_SewingMachine" in name)
    files[sewing] = files[sewing][: files[sewing].rindex(b"section")]
    assert codes(found(files, tmp_path)) == {"no-report": 1, "part-missing": 1, "clip-count": 1, "decision-clips": 1}


def test_2020_has_no_decisions(tmp_path: Path) -> None:
    files = package_of("2020", tmp_path)
    files["task2/Jiang_THUEE_task2_1/decision_result_fan_id_01.csv"] = b"id_01_00000000.wav,1\n"
    faults = {fault.code: fault for fault in found(files, tmp_path).faults}
    assert faults["no-decisions"].level == "warning"


def test_every_year_asks_for_its_whole_evaluation_set() -> None:
    counts = {year: len(rules_of(year).parts()) for year in ("2020", "2021", "2022", "2023", "2024", "2025", "2026", "own")}
    assert counts == {"2020": 18, "2021": 42, "2022": 21, "2023": 7, "2024": 9, "2025": 8, "2026": 5, "own": 0}
    assert Part("ToyConveyor", "06") in rules_of("2020").parts()
    assert Part("ToyCar", "01") not in rules_of("2020").parts()
