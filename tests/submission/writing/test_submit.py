"""`asdzoo submit`: from a run to a zip that passes `asdzoo check`."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from fusion.evaluation import evaluate
from submission.checking.check import check
from submission.checking.metadata import Meta
from submission.checking.rules import RULES, Part, rules_of
from submission.cli import main
from tests.submission.conftest import SYSTEMS, MakeRun, table
from zoo import registry
from zoo.scores import ScoreTable

LABEL = "Jiang_THUEE_task2_1"
Capture = pytest.CaptureFixture[str]


def submit(tmp_path: Path, *more: str) -> int:
    return main(["submit", "--run", str(tmp_path / "run"), "--team", str(tmp_path / "team.yaml"), *more])


def package(tmp_path: Path) -> Path:
    return tmp_path / "run" / "submission" / "Jiang_THUEE_task2.zip"


def contents(tmp_path: Path) -> dict[str, str]:
    with zipfile.ZipFile(package(tmp_path)) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def all_of_one(names: str) -> dict[str, dict[str, dict[str, float]]]:
    """Ensembles of these names, each of one and the same system."""
    return {name: {"others": {"nf_cdee": 1.0}} for name in names}


def meta(tmp_path: Path, index: int = 1) -> dict[str, dict[str, object]]:
    label = f"{LABEL[:-1]}{index}"
    content: dict[str, dict[str, object]] = yaml.safe_load(contents(tmp_path)[f"task2/{label}/{label}.meta.yaml"])
    return content


@pytest.mark.parametrize("year", [year for year in RULES if year != "own"])
def test_the_package_of_every_year_passes_its_own_check(
    year: str, make_run: MakeRun, tmp_path: Path, report: Path, capsys: Capture
) -> None:
    make_run(year, clips=200, train=30)
    assert submit(tmp_path, "--report", str(report)) == 0
    capsys.readouterr()
    assert main(["check", str(package(tmp_path))]) == 0
    assert f"rules of {year}: 0 errors, 0 warnings" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("year", "scores", "decisions", "clip"),
    [
        ("2020", "anomaly_score_ToyCar_id_05.csv", None, "id_05_00000000.wav"),
        (
            "2021",
            "anomaly_score_ToyCar_section_03_target_test.csv",
            "decision_result_ToyCar_section_03_target_test.csv",
            "section_03_target_test_0000.wav",
        ),
        (
            "2022",
            "anomaly_score_ToyCar_section_05_test.csv",
            "decision_result_ToyCar_section_05_test.csv",
            "section_05_0000.wav",
        ),
        (
            "2026",
            "anomaly_score_ToyDrone_section_00_test.csv",
            "decision_result_ToyDrone_section_00_test.csv",
            "section_00_0000.wav",
        ),
    ],
)
def test_file_names(year: str, scores: str, decisions: str | None, clip: str, make_run: MakeRun, tmp_path: Path) -> None:
    make_run(year)
    assert submit(tmp_path) == 0
    files = contents(tmp_path)
    assert files[f"task2/{LABEL}/{scores}"].startswith(f"{clip},")
    names = [name for name in files if "decision_result" in name]
    assert bool(names) == (decisions is not None)
    assert decisions is None or f"task2/{LABEL}/{decisions}" in files


def test_all_sections_are_written(make_run: MakeRun, tmp_path: Path) -> None:
    make_run("2022")
    assert submit(tmp_path) == 0
    written = {name.rpartition("/")[2] for name in contents(tmp_path) if "anomaly_score" in name}
    assert written == {rules_of("2022").score_name(part) for part in rules_of("2022").parts()}
    assert len(written) == 21


def test_scores_and_decisions(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run("2024")
    assert submit(tmp_path, "--threshold", "percentile", "--percentile", "80") == 0
    frame = run.scores("both").frame
    scanner = frame[frame["machine"] == "Scanner"]
    threshold = np.percentile(scanner.loc[scanner["split"] == "train", "score"], 80)
    test = scanner[scanner["split"] == "test"].sort_values("clip")
    files = contents(tmp_path)
    rows = [line.split(",") for line in files[f"task2/{LABEL}/anomaly_score_Scanner_section_00_test.csv"].splitlines()]
    assert [clip for clip, _ in rows] == test["clip"].tolist()
    assert [float(value) for _, value in rows] == test["score"].tolist()  # to the last bit
    rows = [line.split(",") for line in files[f"task2/{LABEL}/decision_result_Scanner_section_00_test.csv"].splitlines()]
    assert [int(value) for _, value in rows] == (test["score"] > threshold).astype(int).tolist()


def test_2021_has_one_threshold_for_both_domains(make_run: MakeRun, tmp_path: Path, capsys: Capture) -> None:
    make_run("2021")
    assert submit(tmp_path, "--threshold", "normal") == 0
    shown = [line.split() for line in capsys.readouterr().out.splitlines() if " fan " in line]
    by_section: dict[str, set[str]] = {}
    for cells in shown:
        by_section.setdefault(cells[cells.index("fan") + 1], set()).add(cells[cells.index("normal") + 2])
    assert len(by_section) == 3
    assert all(len(values) == 1 for values in by_section.values())


def test_the_same_run_gives_the_same_bytes(make_run: MakeRun, tmp_path: Path, report: Path) -> None:
    make_run("2023")
    assert submit(tmp_path, "--report", str(report)) == 0
    first = package(tmp_path).read_bytes()
    report.touch()
    assert submit(tmp_path, "--report", str(report), "--out", str(tmp_path / "elsewhere")) == 0
    assert (tmp_path / "elsewhere" / "Jiang_THUEE_task2.zip").read_bytes() == first
    with zipfile.ZipFile(package(tmp_path)) as archive:
        entries = archive.infolist()
    assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.external_attr >> 16 for entry in entries} == {0o100644}


def test_four_ensembles_in_the_order_asked_for(make_run: MakeRun, tmp_path: Path, capsys: Capture) -> None:
    make_run("2023", all_of_one("abcd"), clips=9, train=20)
    assert submit(tmp_path, *(f"--ensemble={name}" for name in "dbca")) == 0
    assert "Jiang_THUEE_task2_1 │ d" in capsys.readouterr().out
    assert [meta(tmp_path, index)["submission"]["name"] for index in (1, 2, 3, 4)] == [
        f"A zoo of detectors ({name})" for name in "dbca"
    ]
    assert [meta(tmp_path, index)["submission"]["abbreviation"] for index in (1, 4)] == ["NF+LoRA-1", "NF+LoRA-4"]


def test_metadata(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run("2024", development=["ToyCar", "fan"])
    assert submit(tmp_path) == 0
    content = meta(tmp_path)
    checked = Meta.model_validate(content)
    assert checked.system.complexity.total_parameters == 7_280_000 + 90_300_000
    assert checked.system.complexity.MACS == 6_000_000 + 45_000_000_000
    description = checked.system.description
    assert description["ensemble_method_subsystem_count"] == 2
    assert description["machine_learning_method"] == "normalizing flow, transformer, LoRA, k-NN, ensemble"
    assert description["data_augmentation"] == "SpecAugment"
    assert description["embeddings"] == "BEATs"
    assert description["domain_generalization_method"] == "SMOTE"
    assert checked.results is not None
    assert checked.results.development_dataset is not None
    rows = evaluate(run.scores("both"), "both").frame.set_index("machine")
    assert checked.results.development_dataset["fan"]["pauc"] == pytest.approx(100 * rows.loc["fan", "pauc"], abs=1e-5)
    assert set(checked.results.development_dataset) == {"ToyCar", "fan"}


def test_a_member_counts_once_and_only_where_it_has_weight(make_run: MakeRun, tmp_path: Path) -> None:
    make_run("2024", {"e": {"Scanner": {"nf_cdee": 1.0}, "others": {"nf_cdee": 1.0, "beats_lora": 0.0}}})
    assert submit(tmp_path) == 0
    system = Meta.model_validate(meta(tmp_path)).system
    assert system.complexity.total_parameters == SYSTEMS["nf_cdee"]["parameters"]["total"]
    assert system.description["ensemble_method_subsystem_count"] is None
    assert system.external_datasets is None


@pytest.mark.parametrize("known", [True, False])
def test_a_system_without_parameters_has_none_and_one_that_is_not_known_is_refused(
    make_run: MakeRun, tmp_path: Path, capsys: Capture, known: bool
) -> None:
    run = make_run("2024")
    ScoreTable(table("2024", "log_mel_knn", rules_of("2024").parts())).write(run.score_path("log_mel_knn"))
    entry = {"config": {"model": {"name": "log_mel"}, "detector": {"name": "knn"}}, "macs": 20_000_000}
    entry |= {"parameters": {"total": 0, "trainable": 0}} if known else {}
    path = run.folder / "run.json"
    content = json.loads(path.read_text())
    content["systems"]["log_mel_knn"] = entry
    path.write_text(json.dumps(content))
    assert submit(tmp_path, "--ensemble", "log_mel_knn") == (0 if known else 2)
    if known:
        assert Meta.model_validate(meta(tmp_path)).system.complexity.total_parameters == 0
    else:
        assert "total_parameters is empty" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("training", [None, {"steps": 10}])
def test_only_what_was_trained_was_augmented(make_run: MakeRun, tmp_path: Path, training: dict[str, int] | None) -> None:
    run = make_run("2024")
    ScoreTable(table("2024", "beats_frozen", rules_of("2024").parts())).write(run.score_path("beats_frozen"))
    model = {"name": "pretrained", "encoder": "beats", "init": "random", "augment": {"frequency": 80, "time": 80}}
    augment = {"speed": {"factors": [0.9, 1.1]}, "noise": None, "mixup": {"probability": 1.0}}
    config = {"model": model, "training": training, "augment": augment}
    entry = {"config": config, "parameters": {"total": 9, "trainable": 0}, "macs": 20}
    path = run.folder / "run.json"
    content = json.loads(path.read_text())
    content["systems"]["beats_frozen"] = entry
    path.write_text(json.dumps(content))
    assert submit(tmp_path, "--ensemble", "beats_frozen") == 0
    assert Meta.model_validate(meta(tmp_path)).system.description["data_augmentation"] == (
        training and "speed perturbation, mixup, SpecAugment"
    )


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        ("attributes", "classification labels"),  # as 0.1 wrote it
        ({"of": "attributes", "domain": True}, "classification labels"),
        ({"of": "machine", "domain": False}, None),
        ("machine", None),
    ],
)
def test_attributes_are_used_where_they_are_classes(
    make_run: MakeRun, tmp_path: Path, classes: str | dict[str, object], said: str | None
) -> None:
    run = make_run("2024")
    ScoreTable(table("2024", "cnn", rules_of("2024").parts())).write(run.score_path("cnn"))
    config = {"model": {"name": "dual_branch_cnn"}, "training": {"steps": 10}, "classes": classes}
    path = run.folder / "run.json"
    content = json.loads(path.read_text())
    content["systems"]["cnn"] = {"config": config, "parameters": {"total": 9, "trainable": 9}, "macs": 20}
    path.write_text(json.dumps(content))
    assert submit(tmp_path, "--ensemble", "cnn") == 0
    assert Meta.model_validate(meta(tmp_path)).system.description["attribute_usage"] == said


def test_one_system_can_be_submitted(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run("2024")
    ScoreTable(table("2024", "nf_cdee", rules_of("2024").parts())).write(run.score_path("nf_cdee"))
    assert submit(tmp_path, "--ensemble", "nf_cdee") == 0
    assert Meta.model_validate(meta(tmp_path)).system.complexity.total_parameters == 7_280_000


def test_only_blind_machines_go_in(make_run: MakeRun, tmp_path: Path) -> None:
    make_run("2025", development=["ToyCar"])
    assert submit(tmp_path) == 0
    assert not [name for name in contents(tmp_path) if "ToyCar" in name]


def test_development_machines_are_a_rehearsal(make_run: MakeRun, tmp_path: Path, capsys: Capture) -> None:
    make_run("2023", parts=[Part("fan", "00"), Part("ToyCar", "00")], blind=False)
    assert submit(tmp_path) == 0
    assert "rehearsal on development machines" in capsys.readouterr().err
    assert main(["check", str(package(tmp_path))]) == 0


def test_true_names_of_the_evaluation_set(make_run: MakeRun, tmp_path: Path, capsys: Capture) -> None:
    make_run("2023", parts=[*rules_of("2023").parts(), Part("fan", "00")], blind=False)
    assert submit(tmp_path) == 0
    assert "true names" in capsys.readouterr().err
    assert not [name for name in contents(tmp_path) if "_fan_" in name]
    assert check(package(tmp_path)).errors == ()


def test_recordings_of_ones_own(make_run: MakeRun, tmp_path: Path) -> None:
    make_run("own", parts=[Part("MyPump", "00")])
    assert submit(tmp_path) == 0
    assert check(package(tmp_path)).errors == ()


def test_marks_of_the_run_are_said(make_run: MakeRun, tmp_path: Path, capsys: Capture) -> None:
    make_run("2025").mark("test-calibrated", "untrained", "test-ranked", "resubstitution")
    assert submit(tmp_path) == 0
    shown = capsys.readouterr().err
    assert "the rules of 2025 forbid" in shown
    assert "never trained" in shown
    assert "ranks among test clips" in shown
    assert "saw their labels" in shown


def error_of(capsys: Capture) -> tuple[str, str]:
    lines = capsys.readouterr().err.splitlines()
    return next(one for one in lines if one.startswith("error: ")), next(one for one in lines if one.startswith("hint: "))


def test_no_run(tmp_path: Path, capsys: Capture) -> None:
    assert submit(tmp_path) == 2
    assert "is not a run" in error_of(capsys)[0]


def test_no_team(make_run: MakeRun, tmp_path: Path, capsys: Capture) -> None:
    make_run()
    (tmp_path / "team.yaml").unlink()
    assert submit(tmp_path) == 2
    message, hint = error_of(capsys)
    assert "must name its authors" in message
    assert "asdzoo submit --init" in hint


def test_no_ensemble(make_run: MakeRun, tmp_path: Path, capsys: Capture) -> None:
    make_run("2024", {})
    assert submit(tmp_path) == 2
    message, hint = error_of(capsys)
    assert "no ensemble to submit" in message
    assert "asdzoo fuse" in hint


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["z"], "has no scores of 'z'"),
        (["a", "a"], "a is named twice"),
        (["a", "b", "c", "d", "e"], "5 systems, but a team may submit at most 4"),
        ([], "5 systems, but a team may submit at most 4"),
    ],
)
def test_what_cannot_be_chosen(names: list[str], message: str, make_run: MakeRun, tmp_path: Path, capsys: Capture) -> None:
    make_run("2023", all_of_one("abcde"), clips=2, train=2)
    assert submit(tmp_path, *(f"--ensemble={name}" for name in names)) == 2
    assert message in error_of(capsys)[0]


def test_a_machine_that_one_ensemble_lacks(make_run: MakeRun, tmp_path: Path, capsys: Capture) -> None:
    run = make_run("2023", all_of_one("ab"), clips=2, train=9)
    frame = run.scores("b").frame
    ScoreTable(frame[frame["machine"] != "shaker"]).write(run.score_path("b"))
    assert submit(tmp_path) == 2
    assert "b has no test scores for shaker 00, which a has" in error_of(capsys)[0]


def test_a_machine_that_the_run_lacks(make_run: MakeRun, tmp_path: Path, capsys: Capture) -> None:
    make_run("2023", parts=[part for part in rules_of("2023").parts() if part.machine != "Vacuum"])
    assert submit(tmp_path) == 2
    assert "the evaluation set of 2023 also has Vacuum 00" in error_of(capsys)[0]
    assert not package(tmp_path).exists()
    assert submit(tmp_path, "--partial") == 0
    assert "part-missing" in {fault.code for fault in check(package(tmp_path)).errors}


def test_no_test_clips_and_no_training_clips(make_run: MakeRun, tmp_path: Path, capsys: Capture) -> None:
    run = make_run("2024")
    frame = run.scores("both").frame
    ScoreTable(frame[frame["split"] == "train"]).write(run.score_path("both"))
    assert submit(tmp_path) == 2
    assert "no scores of test clips" in error_of(capsys)[0]
    ScoreTable(frame[frame["split"] == "test"]).write(run.score_path("both"))
    assert submit(tmp_path) == 2
    assert "no training scores for 3DPrinter 00" in error_of(capsys)[0]


def test_tables_of_two_years(make_run: MakeRun, tmp_path: Path, capsys: Capture) -> None:
    run = make_run("2023", {"a": {"others": {"nf_cdee": 1.0}}})
    ScoreTable(table("2024", "b", [Part("Scanner", "00")])).write(run.score_path("b"))
    assert submit(tmp_path, "--ensemble=a", "--ensemble=b") == 2
    assert "are of 2023 and 2024" in error_of(capsys)[0]


def test_a_report_that_is_no_pdf(make_run: MakeRun, tmp_path: Path, capsys: Capture) -> None:
    make_run()
    (tmp_path / "report.pdf").write_text("Dear organisers")
    assert submit(tmp_path, "--report", str(tmp_path / "report.pdf")) == 2
    assert "is no PDF" in error_of(capsys)[0]
    assert submit(tmp_path, "--report", str(tmp_path / "none.pdf")) == 2
    assert "no report at" in error_of(capsys)[0]


def test_a_package_that_would_be_refused_is_not_written(make_run: MakeRun, tmp_path: Path, capsys: Capture) -> None:
    run = make_run("2024")
    frame = run.scores("both").frame
    bad = pd.concat([frame, frame[frame["split"] == "test"].head(1).assign(clip="noise.wav")])
    ScoreTable(bad).write(run.score_path("both"))
    assert submit(tmp_path) == 2
    assert "the package would be refused" in error_of(capsys)[0]
    assert list((tmp_path / "run" / "submission").iterdir()) == []


def test_scores_of_a_system_that_was_trained_elsewhere(make_run: MakeRun, tmp_path: Path, capsys: Capture) -> None:
    make_run("2024", train=20).update_info(systems={"nf_cdee": SYSTEMS["nf_cdee"]})
    assert submit(tmp_path) == 2
    message, hint = error_of(capsys)
    assert "run.json says nothing of beats_lora" in message
    assert "total_parameters" in hint
    team = tmp_path / "team.yaml"
    team.write_text(team.read_text() + "systems:\n  both: {total_parameters: 99}\n")
    assert submit(tmp_path) == 0
    complexity = Meta.model_validate(meta(tmp_path)).system.complexity
    assert (complexity.total_parameters, complexity.MACS) == (99, None)


def test_a_long_abbreviation_of_several_systems(make_run: MakeRun, tmp_path: Path, capsys: Capture) -> None:
    make_run("2023", all_of_one("ab"), clips=3, train=10)
    team = tmp_path / "team.yaml"
    team.write_text(team.read_text().replace("NF+LoRA", "NF+LoRA+ok"))
    assert submit(tmp_path, "--ensemble=a") == 0
    assert submit(tmp_path) == 2
    assert "'NF+LoRA+ok-1' is longer than 10" in error_of(capsys)[0]
    team.write_text(team.read_text() + "systems:\n  a: {abbreviation: first, name: One}\n  b: {abbreviation: second}\n")
    assert submit(tmp_path) == 0
    assert meta(tmp_path, 1)["submission"]["name"] == "One"
    assert meta(tmp_path, 2)["submission"]["abbreviation"] == "second"


def test_words_for_a_system_that_is_not_submitted(make_run: MakeRun, tmp_path: Path, capsys: Capture) -> None:
    make_run("2023", all_of_one("ab"), clips=3, train=10)
    team = tmp_path / "team.yaml"
    team.write_text(team.read_text() + "systems:\n  c: {abbreviation: first}\n")
    assert submit(tmp_path) == 2
    message, hint = error_of(capsys)
    assert "has words for 'c', which is no score table of the run" in message
    assert "a, b" in hint


def test_a_run_that_another_command_writes_to(make_run: MakeRun, tmp_path: Path, capsys: Capture) -> None:
    with make_run("2023").lock():
        assert submit(tmp_path) == 2
    assert "another asdzoo command is writing" in error_of(capsys)[0]


@pytest.mark.parametrize(
    ("model", "external", "methods"),
    [
        ({"name": "beats", "init": "random", "tuning": {"mode": "full"}}, None, "transformer, GMM"),
        ({"name": "beats_eat", "beats": {"tuning": {"mode": "lora"}}, "eat": {}}, "AudioSet", "transformer, LoRA, GMM"),
        ({"name": "pretrained", "encoder": "eat", "weights": "eat_base"}, "AudioSet", "transformer, GMM"),
        ({"name": "pretrained", "encoder": "eat", "init": "random"}, None, "transformer, GMM"),
        (
            {"name": "pretrained", "encoder": "beats", "weights": "openbeats_base_i3"},
            "AudioSet and the other pretraining data of OpenBEATs",
            "transformer, GMM",
        ),
        ({"name": "pretrained", "encoder": "of_a_plugin_gone"}, None, "GMM"),
        ({"name": "my_network"}, None, "my_network, GMM"),
    ],
)
def test_what_the_configs_say(
    model: dict[str, object], external: str | None, methods: str, make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run("2026", all_of_one("a"), clips=3, train=10)
    entry = {"config": {"model": model, "detector": {"name": "gmm"}}, "parameters": {"total": 5}}
    run.update_info(systems={"nf_cdee": entry})
    assert submit(tmp_path) == 0
    system = Meta.model_validate(meta(tmp_path)).system
    assert [one.name for one in system.external_datasets or []] == ([external] if external else [])
    assert system.description["machine_learning_method"] == methods
    assert system.description["data_augmentation"] is None
    assert system.complexity.MACS is None


@pytest.mark.parametrize(("combiner", "words"), [("rank", "weighted average of ranks"), ("min", "minimum"), ("max", "maximum")])
def test_how_members_are_joined(combiner: str, words: str, make_run: MakeRun, tmp_path: Path) -> None:
    path = make_run("2026", clips=3, train=10).folder / "ensembles" / "both.yaml"
    path.write_text(path.read_text() + f"combiner: {combiner}\n")
    assert submit(tmp_path) == 0
    assert Meta.model_validate(meta(tmp_path)).system.description["decision_making"] == words


def test_what_was_said_of_recordings_is_said_again(make_run: MakeRun, tmp_path: Path, capsys: Capture) -> None:
    make_run().update_info(left_out=["data/fan/train/a.wav: is empty"])
    assert submit(tmp_path) == 0
    assert "warning: data/fan/train/a.wav: is empty" in capsys.readouterr().err


@pytest.mark.parametrize(("kind", "block"), [("model", "model"), ("encoder", "model"), ("detector", "detector")])
def test_a_plugin_that_is_broken_now_is_a_warning(
    kind: registry.Kind, block: str, make_run: MakeRun, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run()
    (first, entry), *_ = run.info().systems.items()
    config = {"name": "pretrained", "encoder": "broken"} if kind == "encoder" else {"name": "broken"}
    changed = entry.model_copy(update={"config": {**entry.config, block: config}})
    run.update_info(systems={**run.info().systems, first: changed})
    whole, broken = registry.entries, registry.Entry(kind, "broken", "no_such_module_of_a_plugin", "some-plugin")
    monkeypatch.setattr(registry, "entries", lambda of: whole(of) | ({"broken": broken} if of == kind else {}))
    assert submit(tmp_path) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert f"warning: the {kind} broken of the package some-plugin cannot be used: No module named" in said
    assert "the metadata has its name and no more" in said
    assert "broken" in str(meta(tmp_path)["system"]["description"])
