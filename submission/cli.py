"""The console script `asdzoo`: the commands of all three rooms, and the one place where an error becomes an exit code."""

import errno
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.text import Text

import fusion.cli
import submission.report.cli
import submission.writing.cli
import zoo
import zoo.cli
from zoo.console import err, out, print_json, replace_what_cannot_be_printed, table, visible, warn
from zoo.data.years import OWN
from zoo.errors import AsdzooError, typed

if TYPE_CHECKING:
    from submission.checking.faults import Findings
    from submission.writing.write import Decided

app = typer.Typer(
    name="asdzoo",
    help="Train a zoo of anomalous sound detectors, fuse their scores, and pack a DCASE Task 2 submission.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich",
    epilog="`--debug` shows the traceback of an error.",
)
app.registered_commands += zoo.cli.app.registered_commands
app.registered_groups += zoo.cli.app.registered_groups
app.registered_commands += fusion.cli.app.registered_commands
app.registered_commands += submission.report.cli.app.registered_commands
app.registered_commands += submission.writing.cli.app.registered_commands

_UsageError: type[Exception] = typer.BadParameter.__bases__[0]  # typer carries its own copy of click, older ones the package
INTERRUPTED = 130


def _say_version(wanted: bool) -> None:
    if wanted:
        out.print(f"asdzoo {zoo.__version__}")
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_say_version, is_eager=True)
    ] = False,
) -> None:
    pass


@app.command()
def evaluate(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Systems and ensembles; all by default.")
    ] = None,
    run: fusion.cli.RunFolder = Path("runs/default"),
    package: Annotated[Path | None, typer.Option(help="Judge the systems of this package instead; needs --truth.")] = None,
    truth: Annotated[Path | None, typer.Option(help="The organisers' evaluator folder, with ground_truth_data/ in it.")] = None,
    year: Annotated[
        str | None, typer.Option(help="Whose rules apply to the package. Default: the year of its machines.")
    ] = None,
    explain: Annotated[
        str | None,
        typer.Option("--explain", metavar="MACHINE", help="Show which clips form each figure, and why."),
    ] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write the figures in full precision.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
    markdown: Annotated[Path | None, typer.Option(help="Write one table of all in Markdown, by machine, for a page.")] = None,
    pseudo_labels: Annotated[
        Path | None,
        typer.Option(
            "--pseudo-labels", help="Judge the run's pseudo-labels by attributes_NN_train_correspondence.csv below it."
        ),
    ] = None,
) -> None:
    """Judge the scores of a run, or of a package, by the official metric of the year; a run gets its evaluation.csv.

    Recordings of your own are judged by AUC and pAUC. Their labels stand in MACHINE/labels.csv below the data folder, with the
    columns file_name and label (normal or anomaly), or are folders: MACHINE/test/normal, MACHINE/test/anomaly.
    """
    if pseudo_labels is not None:
        if package is not None or truth is not None or names:
            raise AsdzooError("--pseudo-labels judges all of a run by itself", "leave out names, --package and --truth")
        fusion.cli.evaluate_pseudo_labels(run, pseudo_labels)
        return
    if as_json and explain is not None:
        raise AsdzooError("--json has no --explain", "leave out one of them")
    if package is None and truth is None:
        explained = [] if explain is None else fusion.cli.explained_run(names, run, explain)  # first, for it may fail
        fusion.cli.evaluate_run(names, run, csv, as_json, markdown)
        for shown in explained:
            out.print(shown)
        return
    if markdown is not None:
        raise AsdzooError("--markdown is a table of a run", "leave it out for a package, --csv has its figures")
    if package is None or truth is None:
        raise AsdzooError("a package and the truth belong together", "asdzoo evaluate --package FILE --truth DIR")
    from submission.checking.cli import evaluate_package

    evaluate_package(package, truth, year, names or [], explain, csv, as_json)


@app.command()
def submit(
    run: Annotated[Path, typer.Option(help="Run folder.")] = Path("runs/default"),
    ensemble: Annotated[
        list[str] | None,
        typer.Option(help="Ensemble (or system) to submit; up to four, in the order of the index. Default: all."),
    ] = None,
    team: Annotated[Path, typer.Option(help="Who submits.")] = Path("team.yaml"),
    threshold: Annotated[
        Literal["gamma", "normal", "percentile"], typer.Option(help="Where the threshold on training scores comes from.")
    ] = "gamma",
    percentile: Annotated[float, typer.Option(help="Percentile of normal scores that the threshold is put at.")] = 90.0,
    report: Annotated[Path | None, typer.Option(help="Technical report (PDF); wins over the one in team.yaml.")] = None,
    out_folder: Annotated[Path | None, typer.Option("--out", help="Where the zip goes. Default: RUN/submission.")] = None,
    partial: Annotated[bool, typer.Option("--partial", help="Go on without some machines of the evaluation set.")] = False,
    external: Annotated[
        Path | None, typer.Option(help="List of allowed external resources. Default: configs/external.yaml.")
    ] = None,
    init: Annotated[bool, typer.Option("--init", help="Write a commented team.yaml to fill in, and stop.")] = False,
) -> None:
    """Write the challenge's zip: scores, decisions and metadata of up to four ensembles; then check it."""
    from submission.writing.team import read_team, write_template

    if init:
        write_template(team)
        out.print(f"wrote {team}: fill it in, then run `asdzoo submit --team {typed(team)}`")
        return
    from submission.writing.write import choose, prepare, write
    from zoo.running.folder import Run

    opened = Run(run).require()
    with opened.lock():
        names, who = choose(opened, ensemble or []), read_team(team)
        report = report or who.report
        package = prepare(
            opened,
            names,
            who,
            method=threshold,
            percentile=percentile,
            report=report,
            partial=partial,
            external=external,
        )
        for sentence in package.warnings:
            warn(sentence)
        path, found = write(package, out_folder or run / "submission")
    _print_thresholds(package.decided, percentile)
    out.print(table("Systems", ["label", "scores of"], package.labels.items()))
    _print_faults(found)
    out.print(f"package: {path} ({path.stat().st_size / 1024:.0f} KiB, {len(package.files)} files)")


@app.command()
def check(
    package: Annotated[Path, typer.Argument(metavar="FILE_OR_FOLDER", help="A zip or a folder, ours or anyone's.")],
    year: Annotated[str | None, typer.Option(help="Whose rules apply. Default: the year of the machines in it.")] = None,
    data: Annotated[Path | None, typer.Option(help="Recordings whose test clips the package must cover.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the faults as JSON.")] = False,
    every: Annotated[bool, typer.Option("--all", help="A line for each fault, not for each kind.")] = False,
) -> int:
    """List the faults of a submission package, a line for each kind. Exit code 1 when there is an error."""
    from submission.checking.check import check as find_faults

    expected = None
    if data is not None:
        from submission.checking.expected import expected_clips

        expected, year, said = expected_clips(data, year)
        for sentence in said:
            warn(sentence)
    findings = find_faults(package, year, expected)
    if as_json:
        print_json(findings.as_json())
    else:
        _print_faults(findings, every)
        for note in findings.notes:
            out.print(f"note: {note}")
        rules = f"rules of {findings.year}" if findings.year != OWN else "no challenge year recognised (--year names one)"
        counts = f"{_count(len(findings.errors), 'error')}, {_count(len(findings.warnings), 'warning')}"
        out.print(f"{package}: {_count(len(findings.systems), 'system')}, {rules}: {counts}")
    return 1 if findings.errors else 0


@app.command()
def demo(
    folder: Annotated[Path, typer.Option("--out", help="Folder for recordings, run and package.")] = Path("demo"),
    tiny: Annotated[bool, typer.Option("--tiny", help="Fewer and shorter recordings: under a minute.")] = False,
) -> None:
    """The whole job on a synthetic challenge, by the commands that a person would type; goes on if it was cut off."""
    from submission.demo import demo as run_demo

    run_demo(folder, tiny, main)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _print_faults(findings: "Findings", every: bool = False) -> None:
    kinds = [(fault, "") for fault in findings.faults] if every else findings.by_kind()
    for fault, spread in kinds:
        colour = "red" if fault.level == "error" else "yellow"
        said = f"{spread}{fault.where + ': ' if fault.where else ''}{fault.message} [{fault.code}]"
        out.print(Text(fault.level, style=colour), said)
        out.print(f"    {fault.hint}")
    if len(kinds) < len(findings.faults):
        out.print(f"{len(findings.faults) - len(kinds)} more of these kinds: `asdzoo check PACKAGE --all` lists each")


def _print_thresholds(decided: Sequence["Decided"], percentile: float) -> None:
    rows = [(one.label, str(one.part), one.threshold.method, one.threshold.value, *one.rates, one.anomalous) for one in decided]
    columns = ["system", "machine", "method", "threshold", "false positives", "source", "target", "anomalous"]
    shares = "false positives are shares of normal training clips, anomalous of test clips"
    title = f"Thresholds at the {percentile:g}th percentile; {shares}"
    out.print(table(title, columns, rows))
    for note in sorted({f"{row.part}: {row.threshold.note}" for row in decided if row.threshold.note}):
        warn(note)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 well, 1 faults found by `check`, 2 bad input, 130 interrupted."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    replace_what_cannot_be_printed()
    arguments = [argument for argument in arguments if argument != "--debug"] or ["--help"]
    try:
        result = app(arguments, prog_name="asdzoo", standalone_mode=False)
    except AsdzooError as problem:
        return _complain(problem.message, problem.hint, debug)
    except _UsageError as problem:
        message = str(getattr(problem, "format_message", problem.__str__)()).replace("Value error, ", "")
        commands = getattr(typer.main.get_command(app), "commands", {})
        about = next((f"asdzoo {argument}" for argument in arguments if argument in commands), "asdzoo")
        return _complain(message[0].lower() + message[1:].rstrip("."), f"run `{about} --help`", debug)
    except OSError as problem:
        where = f": {problem.filename}" if problem.filename else ""
        hint = _OS_HINTS.get(problem.errno or 0, "look at the path and its permissions")
        return _complain(f"{problem.strerror or problem}{where}", hint, debug)
    except (KeyboardInterrupt, typer.Abort):
        result = INTERRUPTED
    if result == INTERRUPTED:
        err.print("interrupted: run the same command again to go on from here")
    return result if isinstance(result, int) else 0


_OS_HINTS = {
    errno.ENOSPC: "free some disk space and run the same command again; finished work is kept",
    errno.EFBIG: "this disk takes no file of that size; name a folder on another one",
    errno.EDQUOT: "free some disk space and run the same command again; finished work is kept",
    errno.EACCES: "check the permissions, or name another folder",
    errno.EPERM: "check the permissions, or name another folder",
    errno.EROFS: "that disk is read-only; name another folder",
    errno.ENOENT: "check the path",
}


def _complain(message: str, hint: str, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    print(f"error: {visible(message)}", file=sys.stderr)
    if hint:
        print(f"hint: {visible(hint)}", file=sys.stderr)
    return 2
