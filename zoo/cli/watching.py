"""What `asdzoo score --watch FOLDER` does and prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.console import out, warn
from zoo.errors import AsdzooError, typed

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.running.folder import Run
    from zoo.running.verdicts import Standard


def watch(
    run: Run,
    folder: Path,
    standard: Standard,
    machine: str | None,
    section: str | None,
    out_file: Path,
    every: float,
    fail_on_anomaly: bool,
    device: str,
) -> int:
    """Judge what arrives until Ctrl-C, or with `fail_on_anomaly` until the first alarm."""
    from zoo.cli.verdicts import expectations
    from zoo.running.judge import Judge
    from zoo.running.locks import held
    from zoo.running.lookout import Lookout, judged_as_they_come
    from zoo.running.verdict_table import append_verdicts, repaired

    if not folder.is_dir():
        raise AsdzooError(f"there is no folder {folder}", f"mkdir {typed(folder)}, or name another with --watch")
    judge = Judge(run, device)
    sections = judge.sections(standard.system)
    busy = f"another command appends to {out_file}"
    scored = anomalies = 0
    said = False
    with held(out_file.with_name(f".{out_file.name}.lock"), busy, "end it first, or name another file with --out"):
        known = before = repaired(out_file)
        lookout = Lookout(folder, ((one.clip, one.digest) for one in before))
        already = f", where {len(before)} stand already" if before else ""
        out.print(f"watching {folder} with {standard.system}; rows go to {out_file}{already}; Ctrl-C ends it")
        try:
            for found in judged_as_they_come(judge, standard, lookout, sections, machine, section, before, every):
                append_verdicts(found.verdicts, out_file)
                for note in found.notes:
                    warn(note)
                for one in found.verdicts:
                    decision = "ANOMALY" if one.anomalous else "OK"
                    alarm = "  alarm" if one.alarm and standard.alarm.of > 1 else ""
                    out.print(f"{one.recorded:%Y-%m-%d %H:%M:%S}  {decision:7}  {one.calibrated:8.2f}  {one.clip}{alarm}")
                scored += len(found.verdicts)
                anomalies += sum(one.anomalous for one in found.verdicts)
                known = [*known, *found.verdicts] if not said else known
                if found.rates and not said and len(known) > 3:  # so many tell how often one is made
                    for sentence in expectations(standard, known, found.rates):
                        out.print(sentence)
                    said = True
                if fail_on_anomaly and any(one.alarm for one in found.verdicts):
                    out.print(f"stopped at an alarm: {_count(scored, anomalies)}; the same command goes on")
                    return 1
        except KeyboardInterrupt:
            out.print(f"stopped: {_count(scored, anomalies)}; the same command goes on")
    return 0


def _count(scored: int, anomalies: int) -> str:
    recordings = "1 recording" if scored == 1 else f"{scored} recordings"
    return f"{recordings} scored, {'1 anomaly' if anomalies == 1 else f'{anomalies} anomalies'}"
