"""Development results for the metadata: per machine, in per cent, under the keys of the year."""

import math

from fusion.evaluation import evaluate
from fusion.metrics import harmonic_mean
from submission.checking.rules import Rules
from zoo.scores import ScoreTable


def development_results(table: ScoreTable, rules: Rules) -> dict[str, dict[str, float]]:
    """Machine -> result key -> per cent, of every machine with labelled test clips.

    A machine's sections are averaged as the year's keys say: `averaged_` arithmetically, else harmonically.
    """
    results: dict[str, dict[str, float]] = {}
    rows = evaluate(table, table.systems[0]).frame
    for machine, sections in rows[rows["machine"] != "all"].groupby("machine", sort=True):
        found = {}
        for key in rules.results:
            column = "pauc" if "pauc" in key else "auc_target" if key.endswith("target") else "auc_source"
            values = sections[column].to_numpy()
            mean = float(values.mean() if key.startswith("averaged") else harmonic_mean(values))
            if not math.isnan(mean):
                found[key] = round(100 * mean, 6)
        results[str(machine)] = found
    return results
