"""What the report says of systems and ensembles with several seeds."""

import re
from pathlib import Path

from fusion.evaluation import evaluate_run
from submission.cli import main
from submission.report.scored import best_of, read_scored
from tests.fusion.runs import make_run, make_table
from zoo.running.folder import Run


def run_with_seeds(folder: Path) -> Run:
    names = ("alpha.s0", "alpha.s1", "alpha.s2", "gamma")
    run = make_run(folder, {name: make_table(name, ["fan", "valve"], clips=4) for name in names})
    assert main(["fuse", "--run", str(folder), "--method", "equal", "--name", "both", "--each-seed"]) == 0
    return run


def test_means_over_seeds_stand_in_the_report(tmp_path: Path) -> None:
    run = run_with_seeds(tmp_path / "run")
    assert main(["report", "--run", str(run.folder)]) == 0
    page = (run.folder / "report.html").read_text()
    table = page[page.index("<h3>Over seeds</h3>") : page.index("Every number of each machine")]
    found = {one.system: one for one in evaluate_run(run).families}
    assert set(found) == {"alpha", "both"}
    for name, one in found.items():
        (row,) = re.findall(rf'<tr><th scope="row">{name}</th>.*?</tr>', table, re.DOTALL)
        fan = one.frame.set_index("machine").loc["fan"]
        assert f"{fan['hmean']:.4f} <small>±{fan['spread']:.3f}</small>" in row
        assert f"<b>{one.mean:.4f}</b> <small>±{one.spread:.3f}</small>" in row
        assert f"<td>{one.worst:.4f}</td>" in row


def test_what_is_played_is_not_chosen_by_a_lucky_seed(tmp_path: Path) -> None:
    scored = read_scored(run_with_seeds(tmp_path / "run"), [])
    assert [one.name for one in scored if one.ensemble is not None] == ["both", "both.s0", "both.s1", "both.s2"]
    assert best_of(scored).name == "both"


def test_without_seeds_nothing_is_said_of_them(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", {name: make_table(name, ["fan"], clips=4) for name in ("alpha", "beta")})
    assert main(["report", "--run", str(run.folder)]) == 0
    assert "Over seeds" not in (run.folder / "report.html").read_text()
