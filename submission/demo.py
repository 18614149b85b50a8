"""`asdzoo demo`: the whole job on a synthetic challenge, by the commands that a person would type."""

import shlex
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from zoo.console import out
from zoo.errors import AsdzooError
from zoo.files import write_text

TEAM = """\
# The made-up team of `asdzoo demo`.
institute: DEMO
name: asdzoo demo
abbreviation: asdzoo
authors:
  - lastname: Doe
    firstname: Jo
    email: jo@example.com
    corresponding: true
    affiliation:
      institution: Institute of Examples
      location: Nowhere
"""

# three that train nothing and two that do: together they are better than the best of them
MEMBERS = "log_mel_stats_knn,log_mel_quantiles_knn,log_mel_pca,nf_cdee_tiny,dual_branch_cnn_robust"


def demo(folder: Path, tiny: bool, run_command: Callable[[Sequence[str]], int]) -> None:
    """Run synth, scan, train-all, evaluate, fuse, report, submit and check below `folder`, printing each command and its time.

    A demo that was cut off goes on: recordings that are there are not written again.

    Raises: AsdzooError when a command fails.
    """
    data, run, team = folder / "data", folder / "runs" / "demo", folder / "team.yaml"
    write_text(team, TEAM)
    size, steps = ("tiny", ["--set", "training.steps=20"]) if tiny else ("small", [])
    begun = time.monotonic()

    def type_in(arguments: Sequence[str]) -> None:
        out.print()
        out.print(f"$ asdzoo {shlex.join(arguments)}", style="bold")
        started = time.monotonic()
        if code := run_command(arguments):
            raise AsdzooError(f"`asdzoo {arguments[0]}` ended with {code}", "the lines above say why")
        out.print(f"({time.monotonic() - started:.1f} s)", style="dim")

    for arguments in (
        *([] if data.exists() else [["synth", str(data), "--size", size]]),
        ["scan", str(data)],
        ["train-all", "--data", str(data), "--run", str(run), "--systems", MEMBERS, *steps],
        ["evaluate", "--run", str(run)],
        ["fuse", "--run", str(run), "--groups", "periodic"],
        ["report", "--run", str(run)],
        ["submit", "--run", str(run), "--team", str(team)],
    ):
        type_in(arguments)
    (package,) = (run / "submission").glob("*.zip")
    type_in(["check", str(package), "--data", str(data)])
    out.print()
    out.print(f"All in {time.monotonic() - begun:.0f} s: the recordings are in {data}, what was trained and scored in {run},")
    out.print(f"{run / 'report.html'} is for a browser, and {package} is what one would send in.")
