"""The rule of each year, and which clips it can judge."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from fusion.official import find_sections, mean_of, official_score, section_values
from tests.fusion.runs import make_table
from zoo.scores import ScoreTable


def reference(frame: pd.DataFrame, **limits: float) -> float:
    return float(roc_auc_score(frame["label"] == "anomaly", frame["score"], **limits))


def judged(table: ScoreTable) -> tuple[list[np.ndarray], list[str]]:
    sections, notes = find_sections(table.frame, table.year)
    assert notes == []
    scores = table.frame["score"].to_numpy()
    return [section_values(scores[section.rows], section, table.year) for section in sections], [s.machine for s in sections]


def rows_by_section(table: ScoreTable) -> list[pd.DataFrame]:
    tests = table.frame[table.frame["split"] == "test"]
    return [rows for _, rows in tests.groupby(["machine", "section"])]


@pytest.mark.parametrize("year", ["2022", "2023", "2024", "2025", "2026", "own"])
def test_since_2022_a_domain_ranks_its_normals_against_all_anomalies(year: str) -> None:
    table = make_table("alpha", ["fan", "valve"], year=year)
    expected = []
    for rows in rows_by_section(table):
        for domain in ("source", "target"):
            expected.append(reference(rows[(rows["domain"] == domain) | (rows["label"] == "anomaly")]))
        expected.append(reference(rows, max_fpr=0.1))
    values, machines = judged(table)
    assert official_score(values, machines, year) == pytest.approx(6 / sum(1 / value for value in expected), abs=1e-12)


def test_2021_stays_within_a_domain() -> None:
    table = make_table("alpha", ["fan"], year="2021", sections=["00", "01", "02"])
    expected = [
        reference(rows[rows["domain"] == domain], **limits)
        for rows in rows_by_section(table)
        for domain in ("source", "target")
        for limits in ({}, {"max_fpr": 0.1})
    ]
    values, machines = judged(table)
    assert official_score(values, machines, "2021") == pytest.approx(12 / sum(1 / value for value in expected), abs=1e-12)


def test_2020_is_an_arithmetic_mean_over_machine_ids_then_machines() -> None:
    fan = make_table("alpha", ["fan"], year="2020", sections=["00", "02", "04"], domains=False)
    valve = make_table("alpha", ["valve"], year="2020", sections=["00"], domains=False)
    table = ScoreTable(pd.concat([fan.frame, valve.frame]))
    by_machine = {"fan": [], "valve": []}
    for rows in rows_by_section(table):
        by_machine[rows["machine"].iloc[0]].append((reference(rows) + reference(rows, max_fpr=0.1)) / 2)
    values, machines = judged(table)
    expected = (np.mean(by_machine["fan"]) + np.mean(by_machine["valve"])) / 2
    assert official_score(values, machines, "2020") == pytest.approx(expected, abs=1e-12)
    assert mean_of(values[0], "2020") == pytest.approx(by_machine["fan"][0], abs=1e-12)


def test_own_recordings_without_domains_are_judged_over_all_clips() -> None:
    table = make_table("alpha", ["MyPump"], year="own", domains=False)
    rows = rows_by_section(table)[0]
    values, _ = judged(table)
    np.testing.assert_allclose(values[0], [reference(rows), reference(rows, max_fpr=0.1)], atol=1e-12)


def test_own_recordings_of_one_domain_are_judged_over_all_clips() -> None:
    frame = make_table("alpha", ["MyPump"], year="own").frame
    table = ScoreTable(frame[frame["domain"] == "source"])
    assert len(judged(table)[0][0]) == 2


@pytest.mark.parametrize(
    ("year", "drop", "sentence"),
    [
        ("2024", "label == 'anomaly'", "fan section 00: its 20 labelled test clips are all normal, not scored"),
        ("2024", "label == 'normal'", "all anomalous, not scored"),
        ("2024", "label == 'normal' and domain == 'target'", "no normal test clip of the target domain, not scored"),
        ("2024", "label == 'normal' and domain == 'source'", "no normal test clip of the source domain, not scored"),
        ("2021", "label == 'anomaly' and domain == 'target'", "no anomalous test clip of the target domain"),
        ("2021", "label == 'anomaly' and domain == 'source'", "no anomalous test clip of the source domain"),
    ],
)
def test_a_section_that_the_rule_cannot_judge_is_named(year: str, drop: str, sentence: str) -> None:
    frame = make_table("alpha", ["fan"], year=year).frame
    sections, notes = find_sections(frame.drop(frame.query(f"split == 'test' and {drop}").index), year)
    assert sections == []
    assert len(notes) == 1
    assert sentence in notes[0]


def test_a_year_with_domains_needs_them() -> None:
    sections, notes = find_sections(make_table("alpha", ["fan"], domains=False).frame, "2024")
    assert (sections, notes) == ([], ["fan section 00: the rule of 2024 needs the domain of each clip, not scored"])


def test_blind_clips_are_said_to_be_so() -> None:
    frame = make_table("alpha", ["fan", "valve"], labelled=["fan"]).frame
    some = frame.query("machine == 'fan' and split == 'test'").index[:3]
    frame.loc[some, "label"] = ""
    sections, notes = find_sections(frame, "2024")
    assert [section.machine for section in sections] == ["fan"]
    assert notes == [
        "fan section 00: 3 of 40 test clips have no label and are left out",
        "test clips without labels, not scored: valve 00 (40)",
    ]
