"""A package judged by the organisers' truth: their layouts, positions and names."""

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fusion.evaluation import evaluate
from submission.checking.judging import detection_rates, judge
from submission.checking.rules import Part, rules_of
from submission.checking.truth import Known, read_truth
from submission.cli import main
from tests.submission.conftest import MakeRun
from tests.submission.packages import write_zip
from zoo.errors import AsdzooError

CLIPS = 40


def truths(year: str, part: Part) -> dict[str, Known]:
    """Labels and domains drawn for the clips that `make_run` gives a part."""
    random = np.random.default_rng(len(str(part)))
    form = rules_of(year).clip_form.format(section=part.section).removesuffix(".wav").replace("_source_", f"_{part.domain}_")
    zeros = len(form) - len(form.rstrip("0"))
    known = {}
    for index in range(CLIPS):
        domain = part.domain or ("" if year == "2020" else str(random.choice(["source", "target"])))
        known[f"{form[:-zeros]}{index:0{zeros}d}.wav"] = Known(str(random.choice(["normal", "anomaly"])), domain)
    return known


def write_truth(folder: Path, year: str, parts: list[Part], true_names: bool = False) -> None:
    """The layout of the evaluators of 2021 to 2024; `true_names` adds ground_truth_attributes."""
    for part in parts:
        known = truths(year, part)
        middle = f"_{part.domain}" if part.domain else ""
        name = f"ground_truth_{part.machine}_section_{part.section}{middle}_test.csv"
        columns = {"ground_truth_data": [int(one.label == "anomaly") for one in known.values()]}
        if not part.domain:
            columns["ground_truth_domain"] = [int(one.domain == "target") for one in known.values()]
        for kind, values in columns.items():
            (folder / kind).mkdir(parents=True, exist_ok=True)
            (folder / kind / name).write_text("".join(f"{clip},{value}\n" for clip, value in zip(known, values, strict=True)))
        if true_names:
            (folder / "ground_truth_attributes").mkdir(exist_ok=True)
            rows = "".join(f"{clip},{true_stem(clip, one)}\n" for clip, one in known.items())
            (folder / "ground_truth_attributes" / name).write_text(rows)


def true_stem(clip: str, known: Known) -> str:
    section, index = clip.removesuffix(".wav").split("_")[1:]
    return f"section_{section}_{known.domain}_test_{known.label}_{index}_vel_1"


def submitted(make_run: MakeRun, tmp_path: Path, year: str) -> Path:
    make_run(year, clips=CLIPS, train=20)
    assert main(["submit", "--run", str(tmp_path / "run"), "--team", str(tmp_path / "team.yaml")]) == 0
    return tmp_path / "run" / "submission" / "Jiang_THUEE_task2.zip"


@pytest.mark.parametrize("year", ["2021", "2022", "2024"])
def test_the_truth_gives_what_labelled_scores_give(year: str, make_run: MakeRun, tmp_path: Path) -> None:
    package = submitted(make_run, tmp_path, year)
    parts = rules_of(year).parts()
    write_truth(tmp_path / "evaluator", year, parts)
    (judged,), rules, _ = judge(package, tmp_path / "evaluator")
    assert rules.year == year
    assert judged.notes == ()
    frame = make_run(year, clips=CLIPS, train=20).scores("both").frame
    frame = frame[frame["split"] == "test"].sort_values(["machine", "section", "clip"], ignore_index=True)
    found = judged.table.frame.sort_values(["machine", "section", "clip"], ignore_index=True)
    assert found["clip"].tolist() == frame["clip"].tolist()
    assert found["score"].tolist() == frame["score"].tolist()
    for row in found.sample(20, random_state=0).itertuples():
        domain = str(row.domain) if rules.domains else ""
        known = truths(year, Part(str(row.machine), str(row.section), domain))[str(row.clip)]
        assert (row.label, row.domain) == (known.label, known.domain)
    score = evaluate(judged.table, judged.label).score
    assert score is not None
    assert 0.3 < score < 0.7  # random scores


def test_2020_and_the_baselines_list(make_run: MakeRun, tmp_path: Path) -> None:
    package = submitted(make_run, tmp_path, "2020")
    lines = []
    by_machine: dict[str, list[Part]] = {}
    for part in rules_of("2020").parts():
        by_machine.setdefault(part.machine, []).append(part)
    for machine, parts in by_machine.items():
        lines.append(machine)
        for part in parts:
            for clip, known in truths("2020", part).items():
                lines.append(f"{clip},{known.label}_{clip},{int(known.label == 'anomaly')}")
    (tmp_path / "truth").mkdir()
    (tmp_path / "truth" / "eval_data_list.csv").write_text("\n".join(lines) + "\n")
    (judged,), rules, _ = judge(package, tmp_path / "truth")
    assert rules.year == "2020"
    assert len(judged.table.frame) == CLIPS * len(rules.parts())
    assert judged.decisions.empty
    assert evaluate(judged.table, judged.label).score is not None


def test_the_baselines_list_of_later_years(tmp_path: Path) -> None:
    path = tmp_path / "eval_data_list_2024.csv"
    path.write_text("Scanner\nsection_00_0001.wav,section_00_target_test_anomaly_0003_res_2.wav\n")
    truth, notes = read_truth(tmp_path, rules_of("2024"))
    assert truth.clips == {Part("Scanner", "00"): {"section_00_0001.wav": Known("anomaly", "target")}}
    assert notes == []


def test_true_names_are_read_as_the_evaluator_reads_them(make_run: MakeRun, tmp_path: Path) -> None:
    package = submitted(make_run, tmp_path, "2023")
    parts = rules_of("2023").parts()
    write_truth(tmp_path / "evaluator", "2023", parts, true_names=True)
    (blind,), *_ = judge(package, tmp_path / "evaluator")
    files = {}
    with zipfile.ZipFile(package) as archive:
        for name in archive.namelist():
            lines = archive.read(name).decode().splitlines()
            part = next((part for part in parts if f"_{part.machine}_" in name), None)
            if part is not None:
                known = truths("2023", part)
                pairs = [line.split(",") for line in lines]
                lines = [f"{true_stem(clip, known[clip])}.wav,{value}" for clip, value in pairs]
            files[name] = ("\n".join(lines) + "\n").encode()
    (true,), *_ = judge(write_zip(files, tmp_path / "true.zip"), tmp_path / "evaluator")
    pd.testing.assert_frame_equal(true.table.frame, blind.table.frame)


def test_detection_rates_by_hand() -> None:
    frame = pd.DataFrame(
        {
            "machine": "fan",
            "section": "00",
            "domain": ["source"] * 6 + ["target"] * 2,
            "label": ["anomaly", "anomaly", "anomaly", "normal", "normal", "normal", "anomaly", "normal"],
            "decided": [1, 1, 0, 1, 0, 0, 0, 0],
        }
    )
    source, target = detection_rates(frame).to_numpy().tolist()
    assert source == ["fan", "00", "source", 2 / 3, 2 / 3, pytest.approx(2 / 3)]
    assert target == ["fan", "00", "target", 0.0, 0.0, 0.0]


def test_command(make_run: MakeRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    package = submitted(make_run, tmp_path, "2024")
    write_truth(tmp_path / "evaluator", "2024", rules_of("2024").parts())
    capsys.readouterr()
    assert main(["evaluate", "--package", str(package), "--truth", str(tmp_path / "evaluator")]) == 0
    shown = capsys.readouterr().out
    (judged,), *_ = judge(package, tmp_path / "evaluator")
    score = evaluate(judged.table, judged.label).score
    assert f"official score of Jiang_THUEE_task2_1: {score:.6f}, 95 % interval" in shown
    assert "F1 source" in shown
    assert "target harmonic mean" in shown


def test_one_system_of_the_package(make_run: MakeRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    package = submitted(make_run, tmp_path, "2023")
    write_truth(tmp_path / "evaluator", "2023", rules_of("2023").parts())
    arguments = ["--package", str(package), "--truth", str(tmp_path / "evaluator")]
    assert main(["evaluate", "Jiang_THUEE_task2_1", *arguments]) == 0
    capsys.readouterr()
    assert main(["evaluate", "Jiang_THUEE_task2_2", *arguments]) == 2
    assert "did you mean Jiang_THUEE_task2_1" in capsys.readouterr().err


def test_runs_are_judged_as_before(make_run: MakeRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run("2024", development=["fan"], clips=3, train=10)
    assert main(["evaluate", "--run", str(run.folder)]) == 0
    assert (run.folder / "evaluation.csv").exists()
    assert "fan" in capsys.readouterr().out


def test_an_incomplete_truth_or_package_is_said(make_run: MakeRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run("2024", parts=[Part("Scanner", "00")], clips=CLIPS)
    assert main(["submit", "--run", str(tmp_path / "run"), "--team", str(tmp_path / "team.yaml"), "--partial"]) == 0
    package = tmp_path / "run" / "submission" / "Jiang_THUEE_task2.zip"
    write_truth(tmp_path / "evaluator", "2024", rules_of("2024").parts()[:8])
    capsys.readouterr()
    assert main(["evaluate", "--package", str(package), "--truth", str(tmp_path / "evaluator")]) == 0
    assert "does not cover 3DPrinter 00" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("section_00_0003.wav,", "section_00_0050.wav,", "section_00_0050.wav is not in the truth (1 unknown, 1 missing)"),
        ("section_00_0003.wav,0", "", "1 missing"),
        ("section_00_0003.wav,", "section_00_0004.wav,", "stands there twice"),
    ],
)
def test_names_decide(old: str, new: str, message: str, make_run: MakeRun, tmp_path: Path) -> None:
    package = submitted(make_run, tmp_path, "2024")
    write_truth(tmp_path / "evaluator", "2024", rules_of("2024").parts())
    with zipfile.ZipFile(package) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    name = next(name for name in files if "anomaly_score_Scanner" in name)
    lines = files[name].decode().splitlines()
    if not new:
        lines.pop(3)
    else:
        lines[3] = new + lines[3].split(",")[1]
    files[name] = ("\n".join(lines) + "\n").encode()
    with pytest.raises(AsdzooError) as caught:
        judge(write_zip(files, tmp_path / "broken.zip"), tmp_path / "evaluator")
    assert message in caught.value.message
    assert "asdzoo check" in caught.value.hint


def test_bad_truth(make_run: MakeRun, tmp_path: Path) -> None:
    package = submitted(make_run, tmp_path, "2024")
    truth = tmp_path / "evaluator"
    truth.mkdir()
    with pytest.raises(AsdzooError, match="no ground truth of 2024"):
        read_truth(truth, rules_of("2024"))
    with pytest.raises(AsdzooError, match="no folder"):
        read_truth(truth / "none", rules_of("2024"))
    write_truth(truth, "2023", rules_of("2023").parts())
    with pytest.raises(AsdzooError, match=r"no ground truth of 2024 in .*, only of another year"):
        judge(package, truth)
    name = "ground_truth_Vacuum_section_00_test.csv"
    good = (truth / "ground_truth_domain" / name).read_text()
    (truth / "ground_truth_domain" / name).write_text(good.replace("section_00_0002.wav", "section_00_0092.wav"))
    with pytest.raises(AsdzooError, match=r"section_00_0002.wav in ground_truth_data but not in ground_truth_domain"):
        read_truth(truth, rules_of("2023"))
    (truth / "ground_truth_domain" / name).write_text(good.replace("section_00_0002.wav,", "section_00_0002.wav,5"))
    with pytest.raises(AsdzooError, match="line 3: not a clip and 0 or 1"):
        read_truth(truth, rules_of("2023"))
    (truth / "ground_truth_domain" / name).unlink()
    with pytest.raises(AsdzooError, match=name):
        read_truth(truth, rules_of("2023"))


@pytest.mark.parametrize(
    "text",
    [
        "section_00_0001.wav,section_00_target_test_anomaly_0003_res_2.wav\n",
        "Scanner\na.wav,b.wav\n",
        "Scanner\nsection_00_0001.wav,section_00_0003.wav\n",
    ],
)
def test_bad_list(text: str, tmp_path: Path) -> None:
    (tmp_path / "eval_data_list_2024.csv").write_text(text)
    with pytest.raises(AsdzooError, match=r"eval_data_list_2024.csv, line \d"):
        read_truth(tmp_path, rules_of("2024"))


def test_a_package_without_scores(tmp_path: Path, make_run: MakeRun) -> None:
    write_truth(tmp_path / "evaluator", "2024", rules_of("2024").parts()[:1])
    with pytest.raises(AsdzooError, match="holds no scores"):
        judge(write_zip({"a.txt": b"x"}, tmp_path / "p.zip"), tmp_path / "evaluator")
