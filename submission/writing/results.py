"""Development results for the metadata: per machine, in per cent, under the keys of the year."""

import numpy as np

from fusion.evaluation import evaluate
from fusion.metrics import harmonic_mean
from submission.checking.rules import Rules
from zoo.scores import ScoreTable


def development_results(table: ScoreTable, rules: Rules) -> dict[str, dict[str, float]]:
    """Machine -> result key -> per cent, of every machine with labelled test clips.

    A machine's sections are averaged as the year's keys say: `averaged_` arithmetically, else harmonically; a key that names no
    domain is over both.
    """
    results: dict[str, dict[str, float]] = {}
    rows = evaluate(table, table.systems[0]).frame
    for machine, sections in rows[rows["machine"] != "all"].groupby("machine", sort=True):
        found = {}
        for key in rules.results:
            domain = key.rpartition("_")[2]
            both = ["auc_source", "auc_target"]
            columns = ["pauc"] if "pauc" in key else [f"auc_{domain}"] if domain in ("source", "target") else both
            values = sections[columns].to_numpy().ravel()
            values = values[~np.isnan(values)]  # there is no AUC target without domains
            if len(values):
                found[key] = round(100 * float(values.mean() if key.startswith("averaged") else harmonic_mean(values)), 6)
        results[str(machine)] = found
    return results
