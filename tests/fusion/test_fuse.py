"""`asdzoo fuse` from the command line."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from fusion.ensemble import read_ensemble
from submission.cli import main
from tests.fusion.runs import MACHINES, make_run, make_table, usual_run
from zoo.console import out
from zoo.files import write_json
from zoo.running.folder import Run
from zoo.scores import ScoreTable

SYSTEMS = ("nf_cdee", "dual_branch_cnn", "beats_lora", "eat_lora", "beats_eat")


def command(folder: Path, *arguments: str) -> int:
    return main(["fuse", "--run", str(folder), *arguments])


def report_run(folder: Path, systems: tuple[str, ...] = SYSTEMS, **options: object) -> Run:
    """The systems of the report, on three development machines and two blind evaluation machines."""
    machines = ("gearbox", "slider", "fan", "RoboticArm", "Scanner")
    labelled = ("gearbox", "slider", "fan")
    tables = {system: make_table(system, machines, labelled=labelled, **options) for system in systems}  # type: ignore[arg-type]
    return make_run(folder, tables)


def test_search_by_default(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = usual_run(tmp_path)
    assert command(tmp_path, "--groups", "periodic") == 0
    ensemble = read_ensemble(tmp_path / "ensembles" / "fused.yaml")
    assert set(ensemble.weights) == {"periodic", "others"}
    assert set(ensemble.development) == set(MACHINES)
    assert set(ensemble.members) == {"alpha", "beta", "gamma"}
    assert ensemble.found
    printed = capsys.readouterr().out
    assert f"{ensemble.found.cross_validated:.4f} cross-validated" in printed
    assert f"{ensemble.found.resubstitution:.4f} by resubstitution" in printed
    assert f"{ensemble.found.equal:.4f} with equal weights" in printed
    assert "periodic" in printed
    fused = run.scores("fused").frame
    assert fused.shape == run.scores("alpha").frame.shape
    assert (fused["system"] == "fused").all()
    assert (tmp_path / "ensembles" / "study.log").exists()
    assert run.marks() == []


def test_members_with_long_names_stand_one_below_the_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    usual_run(tmp_path)
    for width, heading in ((120, ["group", "alpha"]), (24, ["member", "all"])):
        monkeypatch.setattr(out, "width", width)
        assert command(tmp_path) == 0
        lines = capsys.readouterr().out.splitlines()
        shown = lines[next(number for number, line in enumerate(lines) if line.startswith("Weights of")) + 2]
        assert [cell.strip() for cell in shown.split("┃")[1:3]] == heading


def test_many_members_stand_one_below_the_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"system_with_a_long_name_{index}" for index in range(9)]
    make_run(tmp_path, {name: make_table(name, ["fan", "gearbox", "slider"]) for name in names})
    assert command(tmp_path, "--explain", "--trials", "40") == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
    for name in names:
        assert sum(name in line for line in lines) == 3  # weights, weights without each machine, what it brings
    assert max(map(len, lines)) < 120


def test_an_ensemble_is_no_system(tmp_path: Path) -> None:
    run = usual_run(tmp_path)
    assert command(tmp_path) == 0
    first = run.score_path("fused").read_bytes()
    assert command(tmp_path) == 0
    assert run.score_path("fused").read_bytes() == first
    assert command(tmp_path, "--name", "second") == 0
    assert set(read_ensemble(tmp_path / "ensembles" / "second.yaml").members) == {"alpha", "beta", "gamma"}


def test_leftovers_of_a_killed_process_are_no_systems(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = usual_run(tmp_path)
    (tmp_path / "scores" / ".partial-abc.csv").write_text("system,year\n")
    (tmp_path / "ensembles").mkdir()
    (tmp_path / "ensembles" / ".partial-abc.yaml").write_text("descr")
    assert command(tmp_path) == 0
    assert set(read_ensemble(tmp_path / "ensembles" / "fused.yaml").members) == {"alpha", "beta", "gamma"}
    assert main(["evaluate", "--run", str(run.folder)]) == 0
    assert command(tmp_path, "--ensemble", "none") == 2
    assert "partial" not in capsys.readouterr().err


def test_the_written_file_gives_the_same_table_to_the_last_bit(tmp_path: Path) -> None:
    run = usual_run(tmp_path, labelled=["gearbox", "slider", "fan"])
    assert command(tmp_path, "--groups", "periodic") == 0
    frame = run.scores("fused").frame
    assert command(tmp_path, "--ensemble", str(tmp_path / "ensembles" / "fused.yaml"), "--name", "again") == 0
    again = run.scores("again").frame
    pd.testing.assert_frame_equal(again.assign(system="fused"), frame, check_exact=True)


@pytest.mark.parametrize("name", ["thuee_1", "thuee_2", "thuee_3", "thuee_4"])
def test_the_ensembles_of_the_report(tmp_path: Path, name: str) -> None:
    run = report_run(tmp_path)
    assert command(tmp_path, "--ensemble", name) == 0
    fused, ensemble = run.scores(name).frame, read_ensemble(tmp_path / "ensembles" / f"{name}.yaml")
    calibrated = {system: run.scores(system).frame["calibrated"].to_numpy() for system in SYSTEMS}
    for machine in ("gearbox", "fan", "Scanner", "RoboticArm"):
        rows = (fused["machine"] == machine).to_numpy()
        expected = sum(weight * calibrated[system][rows] for system, weight in ensemble.weights_of(machine).items())
        np.testing.assert_allclose(fused["score"][rows], expected, atol=1e-12)


def test_skip_missing_scales_the_others_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = report_run(tmp_path, ("nf_cdee", "dual_branch_cnn", "eat_lora"))
    assert command(tmp_path, "--ensemble", "thuee_4", "--skip-missing") == 0
    assert "without beats_lora, beats_eat: the other members' weights are scaled up" in capsys.readouterr().err
    ensemble = read_ensemble(tmp_path / "ensembles" / "thuee_4.yaml")
    assert ensemble.weights["others"] == {"dual_branch_cnn": 0.5, "eat_lora": 0.5}
    assert set(run.scores("thuee_4").frame["machine"]) == {"gearbox", "slider", "fan", "RoboticArm", "Scanner"}


def test_skip_missing_with_a_machine_that_a_member_lacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tables = {
        "alpha": make_table("alpha", MACHINES),
        "beta": make_table("beta", MACHINES),
        "gamma": make_table("gamma", ["fan"]),
    }
    run = make_run(tmp_path, tables)
    assert command(tmp_path, "--skip-missing") == 0
    assert "gamma is left out: it has no scores for gearbox, slider, valve" in capsys.readouterr().err
    (tmp_path / "mine.yaml").write_text(
        yaml.safe_dump({"description": "mine", "weights": {"others": {"alpha": 0.5, "gamma": 0.5}}})
    )
    assert command(tmp_path, "--ensemble", str(tmp_path / "mine.yaml"), "--skip-missing") == 0
    assert "gamma has no scores for gearbox, slider, valve" in capsys.readouterr().err
    mine, alpha = run.scores("mine").frame, run.scores("alpha").frame
    valve = mine["machine"] == "valve"
    np.testing.assert_array_equal(mine["score"][valve], alpha["calibrated"][valve])


def test_without_labels_the_weights_are_equal_and_it_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    usual_run(tmp_path, labelled=[])
    assert command(tmp_path, "--groups", "periodic") == 0
    printed = capsys.readouterr()
    assert "no machine has labelled test clips, so no weights can be found: equal weights" in printed.err
    assert "--ensemble thuee_1" in printed.err
    ensemble = read_ensemble(tmp_path / "ensembles" / "fused.yaml")
    assert ensemble.weights == {"others": dict.fromkeys(("alpha", "beta", "gamma"), 1 / 3)}
    assert ensemble.development == {}
    assert "cross-validated" not in printed.out


def test_blind_machines_are_fused_with_weights_from_all_labelled_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = report_run(tmp_path)
    assert command(tmp_path, "--groups", "periodic", "--trials", "100") == 0
    printed = capsys.readouterr().err
    assert "RoboticArm, Scanner: no labels to find weights on, they get those of their group" in printed
    assert "not scored" not in printed
    ensemble, fused = read_ensemble(tmp_path / "ensembles" / "fused.yaml"), run.scores("fused").frame
    assert set(ensemble.development) == {"gearbox", "slider", "fan"}
    rows = (fused["machine"] == "RoboticArm").to_numpy()
    weights = ensemble.weights_of("RoboticArm")
    expected = sum(weight * run.scores(system).frame["calibrated"].to_numpy()[rows] for system, weight in weights.items())
    np.testing.assert_allclose(fused["score"][rows], expected, atol=1e-12)


def test_labels_that_are_not_enough_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = usual_run(tmp_path)
    for system in run.score_names():
        frame = run.scores(system).frame
        normal_fans = frame.query("machine == 'fan' and split == 'test' and label == 'normal'").index
        ScoreTable(frame.drop(normal_fans)).write(run.score_path(system))
    assert command(tmp_path) == 0
    assert "fan section 00: its 20 labelled test clips are all anomalous, not scored" in capsys.readouterr().err
    assert set(read_ensemble(tmp_path / "ensembles" / "fused.yaml").development) == {"gearbox", "slider", "valve"}


@pytest.mark.parametrize(("labelled", "systems"), [(["fan"], "alpha,beta"), (list(MACHINES), "alpha")])
def test_nothing_is_called_cross_validated_that_could_not_be(
    tmp_path: Path, labelled: list[str], systems: str, capsys: pytest.CaptureFixture[str]
) -> None:
    usual_run(tmp_path, labelled=labelled)
    assert command(tmp_path, "--systems", systems) == 0
    printed = capsys.readouterr().out
    assert "by resubstitution" in printed
    assert "cross-validated" not in printed
    assert "cross_validated" not in (tmp_path / "ensembles" / "fused.yaml").read_text()


def test_resubstitution_marks_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = usual_run(tmp_path)
    assert command(tmp_path, "--resubstitution", "--method", "grid") == 0
    assert run.marks() == ["resubstitution"]
    assert "marked resubstitution" in capsys.readouterr().err
    assert read_ensemble(tmp_path / "ensembles" / "fused.yaml").development == {}


@pytest.mark.parametrize("method", ["averaged", "grid", "greedy", "equal"])
def test_methods(tmp_path: Path, method: str) -> None:
    usual_run(tmp_path)
    assert command(tmp_path, "--method", method, "--systems", "alpha, gamma") == 0
    ensemble = read_ensemble(tmp_path / "ensembles" / "fused.yaml")
    assert set(ensemble.members) == {"alpha", "gamma"}
    assert ensemble.found
    assert ensemble.found.method == method


@pytest.mark.parametrize("combiner", ["weighted", "train-rank", "rank", "min", "max"])
def test_combiners(tmp_path: Path, combiner: str, capsys: pytest.CaptureFixture[str]) -> None:
    run = usual_run(tmp_path)
    assert command(tmp_path, "--combiner", combiner, "--explain") == 0
    assert read_ensemble(tmp_path / "ensembles" / "fused.yaml").combiner == combiner
    assert run.marks() == (["test-ranked"] if combiner == "rank" else [])
    printed = capsys.readouterr()
    assert ("What each member brings" in printed.out) == (combiner not in ("min", "max"))


def test_explain_without_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    usual_run(tmp_path, labelled=[])
    assert command(tmp_path, "--explain") == 0
    assert "what each member brings is not known" in capsys.readouterr().err


def test_a_machine_of_ones_own_can_be_filed(tmp_path: Path) -> None:
    machines = {"MyPump": 2.0, "gearbox": 2.0, "fan": 2.0}
    make_run(tmp_path, {system: make_table(system, machines) for system in ("alpha", "beta")})
    assert command(tmp_path, "--groups", "periodic", "--group", "MyPump=periodic") == 0
    ensemble = read_ensemble(tmp_path / "ensembles" / "fused.yaml")
    assert ensemble.groups == {"MyPump": "periodic"}
    assert "periodic" in ensemble.weights


def test_a_system_that_says_nothing_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = usual_run(tmp_path)
    frame = run.scores("beta").frame.copy()
    frame[["score", "calibrated"]] = 0.25
    ScoreTable(frame).write(run.score_path("beta"))
    assert command(tmp_path) == 0
    assert "beta is left out: it gives every clip of a machine the same score" in capsys.readouterr().err
    assert set(read_ensemble(tmp_path / "ensembles" / "fused.yaml").members) == {"alpha", "gamma"}


def test_members_to_look_at_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = usual_run(tmp_path)
    frame = run.scores("beta").frame.copy()
    frame["calibrated"] = frame["score"] = -frame["score"]
    frame.loc[(frame["machine"] == "fan") & (frame["split"] == "train") & (frame.index % 20 == 3), "calibrated"] = 4e3
    ScoreTable(frame).write(run.score_path("beta"))
    frame = run.scores("gamma").frame.copy()
    frame.loc[frame["machine"] == "valve", ["score", "calibrated"]] = 0.5
    ScoreTable(frame).write(run.score_path("gamma"))
    assert command(tmp_path) == 0
    said = capsys.readouterr().err
    assert "below chance: beta (0." in said
    assert "inverted?" in said
    assert "far from a member's other training scores (in standard deviations): beta on fan (" in said
    assert "--combiner train-rank" in said
    assert "gamma gives every clip of valve the same score" in said
    assert command(tmp_path, "--combiner", "train-rank") == 0
    assert "beta has a training clip" not in capsys.readouterr().err


def test_an_untrained_member_gets_no_share_unless_it_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = usual_run(tmp_path)
    task = {"system": "beta", "group": "all", "machines": [], "classes": [], "seed": 0, "untrained": True}
    cost = {"parameters": 1, "trainable": 1, "macs": 1}
    write_json(run.system_folder("beta") / "all-1" / "task.json", {**task, "cost": cost})
    run.update_info(systems={"alpha": {}, "beta": {"tasks": ["all-1"]}, "gamma": {}})
    assert command(tmp_path) == 0
    assert "beta left out, never trained" in capsys.readouterr().err
    assert set(read_ensemble(tmp_path / "ensembles" / "fused.yaml").members) == {"alpha", "gamma"}
    assert command(tmp_path, "--systems", "alpha,beta") == 0
    assert set(read_ensemble(tmp_path / "ensembles" / "fused.yaml").members) == {"alpha", "beta"}


def test_changed_members_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = usual_run(tmp_path)
    assert command(tmp_path) == 0
    make_table("beta", MACHINES, seed=9).write(run.score_path("beta"))
    assert command(tmp_path, "--ensemble", "fused", "--name", "later") == 0
    assert "the scores of beta are not those that fused was made with" in capsys.readouterr().err


Prepare = Callable[[Path], list[str]]


def no_run(folder: Path) -> list[str]:
    return []


def no_scores(folder: Path) -> list[str]:
    Run(folder).update_info(year="2024")
    return []


def with_options(*options: str) -> Prepare:
    def prepare(folder: Path) -> list[str]:
        usual_run(folder)
        return list(options)

    return prepare


def changed_table(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Prepare:
    def prepare(folder: Path) -> list[str]:
        path = usual_run(folder).score_path("beta")
        change(pd.read_csv(path, dtype=str, keep_default_na=False)).to_csv(path, index=False)
        return []

    return prepare


def all_alike(folder: Path) -> list[str]:
    run = usual_run(folder)
    for system in run.score_names():
        ScoreTable(run.scores(system).frame.assign(score=1.0, calibrated=0.0)).write(run.score_path(system))
    return []


def own_file(text: str) -> Prepare:
    def prepare(folder: Path) -> list[str]:
        usual_run(folder)
        (folder / "mine.yaml").write_text(text)
        return ["--ensemble", str(folder / "mine.yaml")]

    return prepare


def nothing_left(folder: Path) -> list[str]:
    report_run(folder, ("nf_cdee",))
    return ["--ensemble", "thuee_2", "--skip-missing"]


@pytest.mark.parametrize(
    ("prepare", "error", "hint"),
    [
        (no_run, "is not a run", "asdzoo train-all --run"),
        (no_scores, "holds no scores", "asdzoo train-all --run"),
        (
            with_options("--method", "gird"),
            "unknown method 'gird' (did you mean grid?)",
            "known: averaged, grid, greedy, equal, normal-only",
        ),
        (with_options("--sampler", "tpr"), "unknown sampler 'tpr' (did you mean tpe?)", "known: qmc, tpe, cmaes"),
        (with_options("--leave-out", "groups"), "unknown kind to leave out 'groups'", "known: machine, group"),
        (with_options("--calibrate-by", "section"), "unknown scale 'section'", "known: machine, domain"),
        (with_options("--storage", "nosuch://x"), "the storage nosuch://x cannot be opened", "sqlite:///"),
        (with_options("--ensemble", "thuee_2", "--calibrate-by", "domain"), "--ensemble brings its own", "leave out"),
        (with_options("--combiner", "mean"), "unknown combiner 'mean'", "known: weighted, train-rank, rank, min, max"),
        (with_options("--groups", "periodc"), "unknown group 'periodc' (did you mean periodic?)", "stationary"),
        (with_options("--group", "MyPump"), "is not MACHINE=GROUP", "for example"),
        (with_options("--group", "MyPump=loud"), "unknown group 'loud'", "known"),
        (with_options("--systems", "alpha,betta"), "unknown system 'betta' (did you mean beta?)", "known: alpha, beta, gamma"),
        (with_options("--systems", ","), "there is no system to fuse", "--systems a,b"),
        (with_options("--name", "alpha"), "alpha is a system of this run", "--name"),
        (with_options("--name", "a/b"), "'a/b' is no name for an ensemble: '/' is in it", "--name"),
        (with_options("--name", ".."), "'..' is no name for an ensemble", "--name"),
        (with_options("--name", ""), "'' is no name for an ensemble: it is empty", "--name"),
        (with_options("--trials", "2"), "2 trials cannot try 3 systems", "--trials"),
        (with_options("--ensemble", "thuee_9"), "unknown ensemble 'thuee_9' (did you mean thuee_", "known: "),
        (with_options("--ensemble", "none.yaml"), "no file none.yaml", "asdzoo list"),
        (with_options("--ensemble", "thuee_2", "--groups", "periodic"), "--ensemble brings its own members", "leave out"),
        (
            with_options("--ensemble", "thuee_3"),
            "dual_branch_cnn, beats_lora, eat_lora, beats_eat have no scores",
            "--skip-missing",
        ),
        (nothing_left, "no trained member has a weight for others", "train one of"),
        (own_file("weights: {}"), "mine.yaml: description is missing", "add `description:`"),
        (
            own_file("description: x\nweights: {perodic: {alpha: 1}, others: {beta: 1}}"),
            "unknown group or machine 'perodic'",
            "known",
        ),
        (own_file("description: x\nweights: {periodic: {alpha: 1}}"), "no weights for fan", "others"),
        (own_file("description: [x"), "no valid YAML", "look at"),
        (changed_table(lambda frame: frame[frame["machine"] != "valve"]), "beta has no scores for valve", "--skip-missing"),
        (changed_table(lambda frame: frame[frame.index != 7]), "beta lacks scores for 1 clip(s)", "train-all --systems beta"),
        (changed_table(lambda frame: frame.assign(label="")), "name a different domain or label", "train-all --systems beta"),
        (changed_table(lambda frame: frame.assign(year="2023")), "different years: 2023, 2024", "one run"),
        (changed_table(lambda frame: frame.assign(system="x")), "holds no row of beta", "train-all --systems beta"),
        (changed_table(lambda frame: pd.concat([frame, frame[:1]])), "twice", "one row per"),
        (changed_table(lambda frame: frame.assign(calibrated="-inf")), "not finite", "train-all"),
        (all_alike, "no system is left to fuse", "train-all"),
    ],
)
def test_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str], prepare: Prepare, error: str, hint: str) -> None:
    arguments = prepare(tmp_path)
    assert command(tmp_path, *arguments) == 2
    printed = capsys.readouterr().err.splitlines()
    assert printed[0].startswith("error: ")
    assert error in printed[0]
    assert printed[1].startswith("hint: ")
    assert hint in printed[1]
    assert not list(tmp_path.glob("ensembles/*.yaml"))
    assert not (tmp_path / "scores" / "fused.csv").exists()
    assert Run(tmp_path).marks() == []


def test_two_commands_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = usual_run(tmp_path)
    with run.lock():
        assert command(tmp_path) == 2
    assert "another asdzoo command is writing" in capsys.readouterr().err
