"""What `asdzoo score PATH` finds and prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast, get_args

from zoo.console import out, print_json, table, warn
from zoo.errors import AsdzooError, typed, unknown_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from zoo.data.loose import Loose
    from zoo.running.alarms import Rate
    from zoo.running.folder import Run
    from zoo.running.verdicts import Judgement, Standard, Verdict


def standard(run: Run, name: str | None, percentile: float | None, method: str, alarm: str) -> Standard:
    """Raises: AsdzooError for what there is not, and where no name is given and several could be meant."""
    from zoo.running.alarms import Alarm
    from zoo.running.verdicts import Standard
    from zoo.threshold import OWN_PERCENTILE, Method

    if method not in get_args(Method):
        raise unknown_name("threshold", method, get_args(Method))
    percentile = OWN_PERCENTILE if percentile is None else percentile
    if not 0 < percentile < 100:
        raise AsdzooError(f"the percentile {percentile:g} is not between 0 and 100", "for example --percentile 99")
    return Standard(_deciding(run, name), percentile, cast("Method", method), Alarm.parse(alarm))


def _deciding(run: Run, name: str | None) -> str:
    """The system or ensemble that decides."""
    from zoo.running.fusion_door import fusion

    known = run.score_names()
    if name is not None:
        if name not in known:
            raise unknown_name("system or ensemble of this run", name, known)
        return name
    ensembles, systems = fusion().ensembles(run), [one for one in known if one in run.info().systems]
    for several in (ensembles, systems):
        if len(several) == 1:
            return several[0]
    if not systems:
        raise AsdzooError(f"{run.folder} holds no scores", f"run `asdzoo train-all --run {typed(run.folder)}` first")
    kind, names = ("ensembles", ensembles) if ensembles else ("systems and no ensemble of them", systems)
    joined = "" if ensembles else f", or join them first: asdzoo fuse --run {typed(run.folder)}"
    raise AsdzooError(
        f"{run.folder} has {len(names)} {kind}, and one decides: {', '.join(names)}",
        f"choose with --ensemble {typed(names[0])}{joined}",
    )


def found(
    run: Run, standard: Standard, paths: Sequence[Path], machine: str | None, section: str | None
) -> tuple[list[Loose], list[str]]:
    """The recordings that are meant, and what must be said of others."""
    from zoo.data.loose import Loose, loose_files, whose
    from zoo.running.judge import Judge

    sections = Judge(run).sections(standard.system)
    files, notes = loose_files(paths)
    return [Loose(path, below.as_posix(), *whose(path, sections, machine, section)) for path, below in files], notes


def judgement(
    run: Run, standard: Standard, recordings: Sequence[Loose], notes: Sequence[str], device: str, strict: bool
) -> Judgement:
    """Judge them; raises: AsdzooError with `strict` when one cannot be read."""
    from dataclasses import replace

    from zoo.running.display import Bars
    from zoo.running.judge import Judge
    from zoo.running.verdicts import judge_recordings

    with Bars() as bars:
        found = judge_recordings(Judge(run, device), standard, recordings, progress=bars.counter("decoding"))
    if strict and len(found.verdicts) < len(recordings):
        count = len(recordings) - len(found.verdicts)
        raise AsdzooError(f"{count} recording(s) cannot be used: {_left_out(found.notes)}", "replace or remove them")
    return replace(found, notes=[*notes, *found.notes])


def _left_out(notes: Sequence[str]) -> str:
    """The first note on a recording that is left out."""
    return next((note for note in notes if note.endswith("is left out")), "").removesuffix(", and is left out")


def say(run: Run, standard: Standard, judgement: Judgement, out_file: Path | None, as_json: bool) -> None:
    """Print verdicts, as a table or as JSON, and what a reader must know."""
    from zoo.running.verdict_table import as_record

    for note in judgement.notes:
        warn(note)
    expected = expectations(standard, judgement.verdicts, judgement.rates)
    if as_json:
        rows = [as_record(one) for one in judgement.verdicts]
        print_json({"run": str(run.folder), "system": standard.system, "recordings": rows, "expected": expected})
        return
    out.print(_table(standard, judgement.verdicts))
    count = sum(one.anomalous for one in judgement.verdicts)
    alarms = f", {sum(one.alarm for one in judgement.verdicts)} in a state of alarm" if standard.alarm.of > 1 else ""
    anomalies = "1 anomaly" if count == 1 else f"{count} anomalies"
    out.print(f"{len(judgement.verdicts)} recording{'s' if len(judgement.verdicts) != 1 else ''}, {anomalies}{alarms}")
    for sentence in expected:
        out.print(sentence)
    if out_file is not None:
        out.print(f"written: {out_file}; next: asdzoo report --run {typed(run.folder)} --scored {typed(out_file)}")


def expectations(standard: Standard, verdicts: Sequence[Verdict], rates: Mapping[tuple[str, str], Rate]) -> list[str]:
    """The false alarms to expect of each machine of `rates`, a sentence each."""
    from zoo.running.alarms import in_words
    from zoo.running.verdicts import interval_of

    said = []
    for (machine, section), rate in rates.items():
        own = [one for one in verdicts if (one.machine, one.section) == (machine, section)]
        where = "" if len(rates) == 1 else f"{machine} {section}: "
        said.append(f"{where}{in_words(rate, *interval_of(own), standard.alarm)}")
    return said


def _table(standard: Standard, verdicts: Sequence[Verdict]) -> object:
    parts = {(one.machine, one.section) for one in verdicts}
    columns, rows = ["clip"], []
    columns += ["machine"] if len(parts) > 1 else []
    columns += ["score", "calibrated", *(["threshold"] if len(parts) > 1 else []), "decision"]
    columns += ["alarm"] if standard.alarm.of > 1 else []
    columns += ["windows above"] if any(one.windows for one in verdicts) else []
    for one in verdicts:
        row: list[object] = [one.clip]
        row += [f"{one.machine} {one.section}"] if len(parts) > 1 else []
        row += [one.score, one.calibrated, *([one.threshold] if len(parts) > 1 else [])]
        row += ["ANOMALY" if one.anomalous else "OK"]
        row += ["alarm" if one.alarm else ""] if standard.alarm.of > 1 else []
        row += [_above(one)] if "windows above" in columns else []
        rows.append(row)
    title = f"{standard.system} on {len(verdicts)} recordings"
    if len(parts) == 1:
        title = f"{standard.system} on {verdicts[0].machine}: threshold {verdicts[0].threshold:.4f}"
    return table(f"{title}, {standard.percentile:g}th percentile of normal scores", columns, rows)


def _above(verdict: Verdict) -> str:
    """Which windows of a long recording are above the threshold."""
    above = [one.start for one in verdict.windows if one.anomalous]
    if not verdict.windows:
        return ""
    first = ", ".join(f"{start:g} s" for start in above[:3]) + (", ..." if len(above) > 3 else "")
    return f"{len(above)} of {len(verdict.windows)}" + (f": at {first}" if above else "")
