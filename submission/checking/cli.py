"""What `asdzoo evaluate --package PACKAGE` prints and writes."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.console import out, print_json, table, warn
from zoo.data.years import OWN
from zoo.errors import AsdzooError, unknown_name

if TYPE_CHECKING:
    from submission.checking.figures import Figures


def evaluate_package(
    package: Path,
    truth: Path,
    year: str | None,
    names: Sequence[str],
    explain: str | None = None,
    csv: Path | None = None,
    as_json: bool = False,
) -> None:
    """Judge the named systems of a package (all by default) by the organisers' truth, and print all that their scripts give.

    `csv` gets the figures in full precision. Raises: AsdzooError as `judge` does, and for a name that is no system.
    """
    import pandas as pd

    from fusion.display import explanations
    from fusion.explain_auc import explain_machine
    from submission.checking.figures import figures
    from submission.checking.judging import judge
    from zoo.files import whole_file
    from zoo.formulas import formulas

    judged, rules, notes = judge(package, truth, year)
    labels = [one.label for one in judged]
    for name in names:
        if name not in labels:
            raise unknown_name("system", name, labels)
    chosen = [one for one in judged if not names or one.label in names]
    found = [figures(one) for one in chosen]
    for note in [*notes, *(note for one in chosen for note in one.notes), *_once(found)]:
        warn(note)
    if all(one.evaluation.score is None for one in found):
        raise AsdzooError("nothing could be scored", "the lines above say why")
    explained = [explain_machine(one.table, one.label, explain) for one in chosen] if explain is not None else []
    if csv is not None:
        if said := formulas(one.label for one in found):
            warn(said)
        with whole_file(csv) as aside:
            pd.concat([one.table() for one in found]).to_csv(aside, index=False, lineterminator="\n")
    if as_json:
        skipped = {one.label: list(one.notes) for one in chosen}
        systems = [one.as_json() | {"notes": skipped[one.label] + one.evaluation.notes} for one in found]
        print_json({"package": str(package), "year": rules.year, "notes": notes, "systems": systems})
    else:
        said = "" if rules.year == OWN else f", rules of {rules.year}"
        for one in found:
            _print(one, said)
        for shown in (shown for one in explained for shown in explanations(one)):
            out.print(shown)
    if csv is not None and not as_json:
        out.print(f"written: {csv}")


_SCORES = ["auc_all", "auc_source", "auc_target", "pauc", "pauc_source", "pauc_target"]


def _once(found: "Sequence[Figures]") -> list[str]:
    return list(dict.fromkeys(note for one in found for note in one.evaluation.notes))


def _print(found: "Figures", said: str) -> None:
    shown = {"auc_all": "AUC all", "auc_source": "AUC source", "auc_target": "AUC target", "pauc": "pAUC"}
    shown |= {"pauc_source": "pAUC source", "pauc_target": "pAUC target"}
    shown |= {
        f"{rate}_{domain}": f"{short} {domain}"
        for rate, short in (("precision", "precision"), ("recall", "recall"), ("f1", "F1"))
        for domain in ("source", "target")
    }
    titles = (f"{found.label}{said}", "Its decisions")
    for title, kept in zip(titles, (_SCORES, [column for column in shown if column not in _SCORES]), strict=True):
        columns = [column for column in kept if not found.sections[column].isna().all()]
        rows: list[list[Any]] = [
            [machine, section, *_cells(values)]
            for machine, section, *values in found.sections[["machine", "section", *columns]].to_numpy().tolist()
        ]
        if columns:
            out.print(table(title, ["machine", "section", *(shown[column] for column in columns)], rows))
    means = [[machine, mean, *_cells(values)] for machine, mean, *values in found.means.to_numpy().tolist()]
    out.print(table("Means over sections and domains", ["machine", "mean", "AUC", "pAUC", "precision", "recall", "F1"], means))
    evaluation = found.evaluation
    if evaluation.score is not None:
        interval = (
            f", 95 % interval {evaluation.interval.low:.4f} .. {evaluation.interval.high:.4f}" if evaluation.interval else ""
        )
        scripts = f" (half width by the scripts: {evaluation.organisers:.6f})" if evaluation.organisers is not None else ""
        out.print(f"official score of {found.label}: {evaluation.score:.6f}{interval}{scripts}")


def _cells(values: Sequence[Any]) -> list[Any]:
    return [None if value != value else value for value in values]  # NaN: a figure that the year does not have
