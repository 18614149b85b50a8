"""`asdzoo evaluate --package` against the same figures recomputed by scikit-learn and scipy, for the rule of each year."""

import csv
import io
import json
import re
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import hmean
from sklearn.metrics import f1_score, precision_score, recall_score, roc_auc_score

from submission.checking.rules import Part, rules_of
from submission.cli import main
from tests.submission.checking.test_truth import CLIPS, submitted, truths, write_truth
from tests.submission.conftest import MakeRun
from tests.submission.packages import write_zip

Capture = pytest.CaptureFixture[str]
EPS = sys.float_info.epsilon
SKIP = ": the organisers' script would skip the system"
Change = Callable[[str, list[list[str]]], list[list[str]] | None]


def clips_of(package: Path, year: str) -> pd.DataFrame:
    """Machine, section, domain, label (0 or 1), score and decision of every clip, read off the CSVs of the package."""
    rules, rows = rules_of(year), []
    with zipfile.ZipFile(package) as archive:
        files = {name.rpartition("/")[2]: archive.read(name).decode() for name in archive.namelist()}
    for part in rules.parts():
        scores = dict(csv.reader(io.StringIO(files[rules.score_name(part)])))
        decision_name = rules.decision_name(part)
        decisions = dict(csv.reader(io.StringIO(files[decision_name]))) if decision_name else {}
        for clip, known in truths(year, part).items():
            decided = int(float(decisions[clip])) if decisions else -1
            rows.append((part.machine, part.section, known.domain, int(known.label == "anomaly"), float(scores[clip]), decided))
    return pd.DataFrame(rows, columns=["machine", "section", "domain", "y", "score", "decided"])


def expected(clips: pd.DataFrame, year: str) -> tuple[dict[tuple[str, str], dict[str, float]], float]:
    """Figures of each section, and the official score."""
    sections: dict[tuple[str, str], dict[str, float]] = {}
    for (machine, section), rows in clips.groupby(["machine", "section"]):
        found = {"auc_all": roc_auc_score(rows["y"], rows["score"])}
        if year != "2021":
            found["pauc"] = roc_auc_score(rows["y"], rows["score"], max_fpr=0.1)
        for domain in ("source", "target") if year != "2020" else ():
            own = rows[rows["domain"] == domain]
            taken = own if year == "2021" else rows[(rows["domain"] == domain) | (rows["y"] == 1)]
            found[f"auc_{domain}"] = roc_auc_score(taken["y"], taken["score"])
            if year == "2021":
                found[f"pauc_{domain}"] = roc_auc_score(own["y"], own["score"], max_fpr=0.1)
            for name, rate in (("precision", precision_score), ("recall", recall_score), ("f1", f1_score)):
                found[f"{name}_{domain}"] = rate(own["y"], own["decided"], zero_division=0)
        sections[str(machine), str(section)] = found
    if year == "2020":
        table = pd.DataFrame(sections).T
        by_machine = table.groupby(level=0)[["auc_all", "pauc"]].mean()
        return sections, float(by_machine.to_numpy().mean())
    counted = [value for row in sections.values() for key, value in row.items() if "auc" in key and key != "auc_all"]
    return sections, float(hmean(np.maximum(counted, EPS)))


def judged(package: Path, truth: Path, capsys: Capture, *more: str) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["evaluate", "--package", str(package), "--truth", str(truth), "--json", *more]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def write_list(folder: Path, year: str) -> None:
    """The baseline's list of a year."""
    lines: list[str] = []
    for machine in dict.fromkeys(part.machine for part in rules_of(year).parts()):
        lines.append(machine)
        for part in (part for part in rules_of(year).parts() if part.machine == machine):
            for clip, known in truths(year, part).items():
                lines.append(
                    ",".join([clip, true_name(clip, part, year), *([str(int(known.label == "anomaly"))] * (year == "2020"))])
                )
    folder.mkdir(exist_ok=True)
    (folder / f"eval_data_list_{year}.csv").write_text("\n".join(lines) + "\n")


def true_name(clip: str, part: Part, year: str) -> str:
    known, index = truths(year, part)[clip], clip.removesuffix(".wav").rpartition("_")[2]
    if year == "2020":
        return f"{known.label}_id_{part.section}_{index}.wav"
    return f"section_{part.section}_{known.domain}_test_{known.label}_{index}_vel_1.wav"


@pytest.mark.parametrize("year", ["2020", "2021", "2022", "2023", "2024", "2025", "2026"])
def test_every_figure_is_that_of_scikit_learn(year: str, make_run: MakeRun, tmp_path: Path, capsys: Capture) -> None:
    package = submitted(make_run, tmp_path, year)
    if year == "2020":
        write_list(tmp_path / "truth", year)
    else:
        write_truth(tmp_path / "truth", year, rules_of(year).parts())
    found = judged(package, tmp_path / "truth", capsys, "--csv", str(tmp_path / "f.csv"))
    assert found["year"] == year
    (system,) = found["systems"]
    assert system["notes"] == []
    sections, official = expected(clips_of(package, year), year)
    assert system["official"] == pytest.approx(official, rel=1e-12)
    assert system["interval"][0] < official < system["interval"][1]
    table = list(csv.DictReader((tmp_path / "f.csv").read_text().splitlines()))
    for row in system["sections"]:
        values = sections.pop((row["machine"], row["section"]))
        (written,) = (one for one in table if (one["machine"], one["section"]) == (row["machine"], row["section"]))
        for figure, value in values.items():
            assert row[figure] == pytest.approx(value, rel=1e-12, abs=1e-15), (row["machine"], figure)
            assert float(written[figure]) == row[figure]
    assert not sections
    assert [float(one["official"]) for one in table if one["official"]] == [system["official"]]


def test_the_means_are_those_of_the_scripts(make_run: MakeRun, tmp_path: Path, capsys: Capture) -> None:
    package = submitted(make_run, tmp_path, "2022")
    write_truth(tmp_path / "truth", "2022", rules_of("2022").parts())
    sections, _ = expected(clips_of(package, "2022"), "2022")
    (system,) = judged(package, tmp_path / "truth", capsys)["systems"]
    means = {(row["machine"], row["mean"]): row for row in system["means"]}
    assert len(means) == 4 * 8
    for machine in ("fan", "all"):
        rows = [row for (one, _), row in sections.items() if machine in (one, "all")]
        for figure in ("auc", "pauc", "precision", "recall", "f1"):
            keys = ["pauc" if figure == "pauc" else f"{figure}_{domain}" for domain in ("source", "target")]
            source, target = (np.array([row[key] for row in rows]) for key in keys)
            both = np.concatenate([source, target])
            assert means[machine, "arithmetic mean"][figure] == pytest.approx(both.mean(), rel=1e-12)
            for mean, values in (("harmonic mean", both), ("source harmonic mean", source), ("target harmonic mean", target)):
                assert means[machine, mean][figure] == pytest.approx(hmean(np.maximum(values, EPS)), rel=1e-12)


def changed(package: Path, path: Path, change: Change) -> Path:
    """The package with the rows of each CSV changed; None leaves a file out."""
    files = {}
    with zipfile.ZipFile(package) as archive:
        for name in archive.namelist():
            data = archive.read(name)
            if name.endswith(".csv"):
                rows = change(name.rpartition("/")[2], [line.split(",") for line in data.decode().splitlines()])
                if rows is None:
                    continue
                data = "".join(",".join(row) + "\n" for row in rows).encode()
            files[name] = data
    return write_zip(files, path)


def test_a_decision_counts_as_its_whole_part(make_run: MakeRun, tmp_path: Path, capsys: Capture) -> None:
    package = submitted(make_run, tmp_path, "2024")
    write_truth(tmp_path / "truth", "2024", rules_of("2024").parts())
    odd = {"0": "0.9", "1": "1.7"}
    other = changed(
        package, tmp_path / "o.zip", lambda name, rows: [[c, odd[v]] for c, v in rows] if "decision" in name else rows
    )
    assert judged(other, tmp_path / "truth", capsys)["systems"] == judged(package, tmp_path / "truth", capsys)["systems"]
    main(["check", str(other), "--all"])
    assert "0.9: the evaluator takes it for 0" in capsys.readouterr().out


def test_a_label_that_a_spreadsheet_would_run(make_run: MakeRun, tmp_path: Path, capsys: Capture) -> None:
    package = submitted(make_run, tmp_path, "2024")
    with zipfile.ZipFile(package) as old, zipfile.ZipFile(tmp_path / "o.zip", "w") as new:
        for name in old.namelist():
            new.writestr(re.sub(r"^task2/[^/]+/", "task2/=1+2/", name), old.read(name))
    write_truth(tmp_path / "truth", "2024", rules_of("2024").parts())
    capsys.readouterr()
    table = tmp_path / "figures.csv"
    arguments = ["evaluate", "--package", str(tmp_path / "o.zip"), "--truth", str(tmp_path / "truth")]
    assert main(arguments) == 0
    assert "formula" not in capsys.readouterr().err
    assert main([*arguments, "--csv", str(table)]) == 0
    assert "'=1+2' begins as a formula does" in capsys.readouterr().err
    assert set(pd.read_csv(table)["system"]) == {"=1+2"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda name, rows: None if "decision_result_Scanner" in name else rows,
            "has no decision file for Scanner 00: the organ",
        ),
        (
            lambda name, rows: None if "_Scanner" in name else rows,
            "does not cover Scanner 00: the organisers' script would skip",
        ),
        (
            lambda name, rows: [[c, "2"] for c, _ in rows] if "decision_result_Scanner" in name else rows,
            "decides 2 on a clip of Scanner 00, neither 0 nor 1: the script would stop",
        ),
        (
            lambda name, rows: [[c, "nan"] for c, _ in rows] if "decision_result_Scanner" in name else rows,
            "decides nan on a clip of Scanner 00",
        ),
    ],
)
def test_what_the_scripts_would_not_judge_is_said(
    change: Callable[[str, list[list[str]]], list[list[str]] | None],
    says: str,
    make_run: MakeRun,
    tmp_path: Path,
    capsys: Capture,
) -> None:
    package = changed(submitted(make_run, tmp_path, "2024"), tmp_path / "o.zip", change)
    write_truth(tmp_path / "truth", "2024", rules_of("2024").parts())
    capsys.readouterr()
    assert main(["evaluate", "--package", str(package), "--truth", str(tmp_path / "truth")]) == 0
    assert says in capsys.readouterr().err
    (system,) = judged(package, tmp_path / "truth", capsys)["systems"]
    (note,) = system["notes"]
    assert says in note


@pytest.mark.parametrize("year", ["2020", "2021", "2022", "2026"])
def test_true_names_work_with_the_baselines_list(year: str, make_run: MakeRun, tmp_path: Path, capsys: Capture) -> None:
    package = submitted(make_run, tmp_path, year)
    write_list(tmp_path / "truth", year)
    parts = {rules_of(year).score_name(part): part for part in rules_of(year).parts()}
    parts |= {str(rules_of(year).decision_name(part)): part for part in rules_of(year).parts()}
    true = changed(
        package, tmp_path / "t.zip", lambda name, rows: [[true_name(clip, parts[name], year), value] for clip, value in rows]
    )
    assert judged(true, tmp_path / "truth", capsys)["systems"] == judged(package, tmp_path / "truth", capsys)["systems"]


def test_true_names_of_2022_stand_in_the_attribute_tables(make_run: MakeRun, tmp_path: Path, capsys: Capture) -> None:
    package = submitted(make_run, tmp_path, "2022")
    write_truth(tmp_path / "truth", "2022", rules_of("2022").parts())
    for part in rules_of("2022").parts():
        folder = tmp_path / "truth" / "ground_truth_attributes" / part.machine
        folder.mkdir(parents=True, exist_ok=True)
        rows = [f"{part.machine}/test/{c},vel,1,{part.machine}/test/{true_name(c, part, '2022')}" for c in truths("2022", part)]
        (folder / f"attributes_{part.section}.csv").write_text(
            "\n".join(["file_name,d1p,d1v,file_name_with_attributes", *rows])
        )
    parts = {rules_of("2022").score_name(part): part for part in rules_of("2022").parts()}

    def named(name: str, rows: list[list[str]]) -> list[list[str]]:
        return [[true_name(clip, parts[name], "2022"), value] for clip, value in rows] if name in parts else rows

    true = changed(package, tmp_path / "t.zip", named)
    assert judged(true, tmp_path / "truth", capsys)["systems"] == judged(package, tmp_path / "truth", capsys)["systems"]


def test_a_folder_of_all_years_gives_the_package_s_own(make_run: MakeRun, tmp_path: Path, capsys: Capture) -> None:
    """The machines of 2021 and 2022 are called alike, ToothBrush is of 2024 and of 2026."""
    alone = {}
    packages = {}
    for year in ("2020", "2021", "2022", "2024", "2026"):
        folder = tmp_path / year
        folder.mkdir()
        packages[year] = submitted_in(make_run, folder, year)
        write_list(tmp_path / "truth", year)
        write_list(folder / "truth", year)
        alone[year] = judged(packages[year], folder / "truth", capsys)["systems"]
    for year, package in packages.items():
        assert judged(package, tmp_path / "truth", capsys)["systems"] == alone[year]
    (tmp_path / "truth" / "eval_data_list_2022.csv").unlink()
    assert main(["evaluate", "--package", str(packages["2022"]), "--truth", str(tmp_path / "truth")]) == 2
    assert "no ground truth of 2022" in capsys.readouterr().err


def submitted_in(make_run: MakeRun, folder: Path, year: str) -> Path:
    from functools import partial

    from tests.submission.conftest import make_run_in

    return submitted(partial(make_run_in, folder), folder, year)


def test_lists_without_a_year_in_their_name_are_told_apart_by_their_machines(
    make_run: MakeRun, tmp_path: Path, capsys: Capture
) -> None:
    package = submitted(make_run, tmp_path, "2022")
    for year in ("2020", "2021", "2022", "2023"):
        write_list(tmp_path / "truth", year)
        (tmp_path / "truth" / f"eval_data_list_{year}.csv").rename(tmp_path / "truth" / f"eval_data_list_{year[-1]}.csv")
    _, official = expected(clips_of(package, "2022"), "2022")
    assert judged(package, tmp_path / "truth", capsys)["systems"][0]["official"] == pytest.approx(official, rel=1e-12)


def test_two_lists_that_contradict_each_other_are_refused(make_run: MakeRun, tmp_path: Path, capsys: Capture) -> None:
    package = submitted(make_run, tmp_path, "2023")
    write_truth(tmp_path / "truth", "2023", rules_of("2023").parts())
    write_list(tmp_path / "truth", "2023")
    judged(package, tmp_path / "truth", capsys)
    path = tmp_path / "truth" / "eval_data_list_2023.csv"
    text = path.read_text()
    old, new = ("_anomaly_", "_normal_") if "_test_anomaly_0000" in text else ("_normal_", "_anomaly_")
    path.write_text(text.replace(f"_test{old}0000", f"_test{new}0000", 1))
    assert main(["evaluate", "--package", str(package), "--truth", str(tmp_path / "truth")]) == 2
    assert "contradicts another list" in capsys.readouterr().err


def test_the_list_of_2022_that_is_known_to_be_wrong(
    make_run: MakeRun, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recognised by what it says of one part; the mark of this test's own list stands in for the real one's."""
    from submission.checking import truth

    package = submitted(make_run, tmp_path, "2022")
    write_list(tmp_path / "truth", "2022")
    path, part = tmp_path / "truth" / "eval_data_list_2022.csv", Part("ToyCar", "04")
    path.write_text(
        path.read_text().replace("ToyCar\n", "ToyCar\nsection_04_9999.wav,section_04_source_test_normal_9999_x.wav\n")
    )
    said = truths("2022", part) | {"section_04_9999.wav": truth.Known("normal", "source")}
    monkeypatch.setitem(truth._WRONG_2022, part, truth.fingerprint(said))
    assert main(["evaluate", "--package", str(package), "--truth", str(tmp_path / "truth")]) == 2
    err = capsys.readouterr().err
    assert "is a list known to be wrong" in err
    assert "Kota-Dohi/dcase2022_evaluator" in err
    write_truth(tmp_path / "truth", "2022", rules_of("2022").parts())
    (note,) = judged(package, tmp_path / "truth", capsys)["notes"]
    assert "it was not taken" in note


def test_every_command_of_the_page_runs(
    make_run: MakeRun, tmp_path: Path, capsys: Capture, tiny_wav: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """docs/packages.md, with a package of 2022 in place of its words in capitals."""
    monkeypatch.chdir(tmp_path)
    package = submitted(make_run, tmp_path, "2022")
    write_list(tmp_path / "TRUTH", "2022")
    make_run("2022", development=["fan"], clips=CLIPS, train=20).folder.rename(tmp_path / "RUN")
    (tmp_path / "RUN" / "submission" / package.name).rename(tmp_path / "PACKAGE")
    for folder, name in (("train", "section_03_source_train_normal_0000_x.wav"), ("test", "section_03_0000.wav")):
        (tmp_path / "DATA" / "fan" / folder).mkdir(parents=True)
        (tmp_path / "DATA" / "fan" / folder / name).write_bytes(tiny_wav)
    page = (Path(__file__).parents[2] / "docs" / "packages.md").read_text()
    commands = [line.split()[1:] for line in page.splitlines() if line.startswith("    asdzoo ")]
    assert len(commands) >= 9
    for command in commands:
        assert main(command) == (1 if "--data" in command else 0), (command, capsys.readouterr().err)
    assert (tmp_path / "figures.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--package", "x.zip"], "belong together"),
        (["--truth", "x"], "belong together"),
        (["--package", "x.zip", "--truth", "x", "--explain", "fan", "--json"], "--json has no --explain"),
    ],
)
def test_options_of_packages_need_one(arguments: Sequence[str], says: str, capsys: Capture) -> None:
    assert main(["evaluate", *arguments]) == 2
    assert says in capsys.readouterr().err
