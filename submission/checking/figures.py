"""Everything that the organisers' scripts print of one system, in fractions and full precision.

Of each section: AUC over all clips, AUC source and target (by the rule of the year), pAUC, and precision, recall and F1 of
the decisions within each domain. Of each machine, and of all together as machine "all", four means: arithmetic, harmonic,
and harmonic over one domain. A mean of AUC runs over the AUCs of both domains; pAUC has no domain (but in 2021) and counts for
both. In 2020 there are no domains, no decisions, and the AUC over all clips is the AUC.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fusion.evaluation import Evaluation, evaluate
from fusion.metrics import Floats, auc, harmonic_mean
from fusion.official import find_sections, section_values
from submission.checking.judging import Judged, detection_rates

RATES = ("precision", "recall", "f1")
DOMAINS = ("source", "target")
SECTION_COLUMNS = [
    *("auc_all", "auc_source", "auc_target", "pauc", "pauc_source", "pauc_target"),
    *(f"{rate}_{domain}" for rate in RATES for domain in DOMAINS),
]
MEAN_COLUMNS = ["auc", "pauc", *RATES]
_MEANS: dict[str, tuple[Callable[[Floats], Any], tuple[str, ...]]] = {
    "arithmetic mean": (np.mean, DOMAINS),
    "harmonic mean": (harmonic_mean, DOMAINS),
    "source harmonic mean": (harmonic_mean, ("source",)),
    "target harmonic mean": (harmonic_mean, ("target",)),
}


@dataclass(frozen=True)
class Figures:
    """What the scripts print of one system."""

    label: str
    evaluation: Evaluation  # the official score, its intervals, and what could not be scored
    sections: pd.DataFrame  # machine, section, SECTION_COLUMNS; NaN where the year has no such figure
    means: pd.DataFrame  # machine ("all" last), mean, MEAN_COLUMNS

    def table(self) -> pd.DataFrame:
        """One frame for a CSV: sections, means, the official score with its 95 % interval; NaN where a cell does not apply."""
        official = {"machine": "all", "mean": "official score", "official": self.evaluation.score}
        if self.evaluation.interval is not None:
            official |= {"low": self.evaluation.interval.low, "high": self.evaluation.interval.high}
        last = pd.DataFrame([official | {"ci95_of_the_scripts": self.evaluation.organisers}])
        columns = ["system", "machine", "section", "mean", *MEAN_COLUMNS, *SECTION_COLUMNS]
        columns += ["official", "low", "high", "ci95_of_the_scripts"]
        frames = [frame for frame in (self.sections, self.means, last) if len(frame)]
        joined = pd.DataFrame([row for frame in frames for row in frame.to_dict("records")])
        return joined.assign(system=self.label).reindex(columns=list(dict.fromkeys(columns)))

    def as_json(self) -> dict[str, Any]:
        """The same as JSON-serialisable data; null where a figure does not apply."""
        interval = self.evaluation.interval
        return {
            "system": self.label,
            "official": self.evaluation.score,
            "interval": [interval.low, interval.high] if interval else None,
            "ci95_of_the_scripts": self.evaluation.organisers,
            "sections": _records(self.sections),
            "means": _records(self.means),
            "notes": self.evaluation.notes,
        }


def figures(judged: Judged) -> Figures:
    """All figures of one judged system."""
    table = judged.table
    sections, _ = find_sections(table.frame, table.year)
    scores = table.frame["score"].to_numpy()
    rates = detection_rates(judged.decisions).set_index(["machine", "section", "domain"])
    rows = []
    for section in sections:
        row: dict[str, Any] = dict.fromkeys(SECTION_COLUMNS, np.nan)
        values = section_values(scores[section.rows], section, table.year)
        row |= {"machine": section.machine, "section": section.section}
        row |= {"auc_all": float(auc(scores[section.rows], section.anomalous))}
        if len(values) == 2:
            row["pauc"] = values[1]
        elif len(values) == 3:
            row |= dict(zip(("auc_source", "auc_target", "pauc"), values.tolist(), strict=True))
        else:
            row |= dict(zip(("auc_source", "auc_target", "pauc_source", "pauc_target"), values.tolist(), strict=True))
        for domain in DOMAINS:
            if (key := (section.machine, section.section, domain)) in rates.index:
                row |= {f"{rate}_{domain}": rates[rate][key] for rate in RATES}
        rows.append(row)
    frame = pd.DataFrame(rows, columns=["machine", "section", *SECTION_COLUMNS])
    machines = [(machine, frame[frame["machine"] == machine]) for machine in dict.fromkeys(frame["machine"])]
    means = [mean for machine, part in [*machines, ("all", frame)] for mean in _means(machine, part)]
    return Figures(
        judged.label, evaluate(table, judged.label), frame, pd.DataFrame(means, columns=["machine", "mean", *MEAN_COLUMNS])
    )


def _means(machine: str, rows: pd.DataFrame) -> list[dict[str, Any]]:
    if not len(rows):
        return []
    undivided = rows["auc_source"].isna().all()
    found = []
    for name, (mean, domains) in _MEANS.items():
        if undivided and len(domains) == 1:
            continue
        row: dict[str, Any] = {"machine": machine, "mean": name}
        for figure in MEAN_COLUMNS:
            columns = [f"{figure}_{domain}" for domain in domains]
            if figure == "auc" and undivided:
                columns = ["auc_all"]
            elif figure == "pauc" and not rows["pauc"].isna().all():
                columns = ["pauc"]
            values = rows[columns].to_numpy(dtype=np.float64).ravel()
            row[figure] = float(mean(values)) if not np.isnan(values).any() else np.nan
        found.append(row)
    return found


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {str(key): None if isinstance(value, float) and np.isnan(value) else value for key, value in row.items()}
        for row in frame.to_dict("records")
    ]
