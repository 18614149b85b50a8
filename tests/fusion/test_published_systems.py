"""Every shipped system that a paper scored says how it fares beside the paper: on a run of that year whose scores are made to
hit the paper's figure it is within, on one far from it outside."""

from functools import cache
from pathlib import Path
from statistics import fmean

import pandas as pd
import pytest

from fusion.evaluation import official
from fusion.official import Section, find_sections, section_values
from fusion.papers import Beside, beside_papers
from submission.cli import main
from tests.fusion.runs import make_run, make_table
from zoo.config import ablation_paths
from zoo.papers import Published, SetName
from zoo.scores import ScoreTable
from zoo.systems import load_system, system_paths

SCORED = {name: load_system(name).config.published for name in (*system_paths(), *ablation_paths())}
SCORED = {name: records for name, records in SCORED.items() if records}
# Figures of the specification's papers, typed off them once more: system -> (year, set, official score).
PAPERS = {
    "autoencoder": [("2023", "eval", 61.05), ("2024", "eval", 56.49), ("2025", "eval", 56.51), ("2026", "eval", 54.76),
                    ("2025", "dev", 55.34), ("2026", "dev", 57.66)],
    "autoencoder_mse": [("2023", "eval", 59.25), ("2024", "eval", 56.51), ("2025", "eval", 54.43), ("2026", "eval", 59.80),
                        ("2023", "dev", 54.96), ("2025", "dev", 56.26), ("2026", "dev", 56.66)],
    "mobilenet": [("2023", "dev", 54.13)],
    "wav2vec2_ft": [("2023", "dev", 60.97), ("2023", "eval", 57.65)],
    "qwen_audio": [("2023", "dev", 59.27), ("2023", "eval", 52.58)],
    "ced_ft": [("2023", "dev", 64.60), ("2023", "eval", 66.93)],
    "han_w2v2": [("2023", "dev", 57.89)], "han_unispeech": [("2023", "dev", 53.39)],
    "han_hubert": [("2023", "dev", 53.19)], "han_wavlm": [("2023", "dev", 55.30)],
    "han_w2v2_ws": [("2023", "dev", 61.96)], "han_unispeech_ws": [("2023", "dev", 61.57)],
    "han_hubert_ws": [("2023", "dev", 62.36)], "han_wavlm_ws": [("2023", "dev", 62.33)],
    "han_w2v2_ws_sa": [("2023", "dev", 63.17)], "han_unispeech_ws_sa": [("2023", "dev", 63.35)],
    "han_hubert_ws_sa": [("2023", "dev", 63.06)], "han_wavlm_ws_sa": [("2023", "dev", 63.13)],
    "han_w2v2_ws_sa_tfp": [("2023", "dev", 64.31)], "han_unispeech_ws_sa_tfp": [("2023", "dev", 64.30)],
    "han_hubert_ws_sa_tfp": [("2023", "dev", 62.92)], "han_wavlm_ws_sa_tfp": [("2023", "dev", 63.50)],
    "asd26_frozen_near": [("2026", "dev", 61.32), ("2026", "eval", 62.84)],
    "asd26_frozen_w1": [("2026", "dev", 67.48), ("2026", "eval", 66.83)],
    "asd26_lora_near": [("2026", "dev", 63.05), ("2026", "eval", 67.92)],
    "asd26_lora_w1": [("2026", "dev", 69.53), ("2026", "eval", 70.66)],
}  # fmt: skip
# AUC and pAUC of both domains together, development and evaluation set of 2022.
MIXED = {
    "wilkinghoff_2023": (81.36, 66.55, 73.43, 59.78),
    "wilkinghoff_2023_trainable_bias": (77.73, 64.09, 71.91, 58.84),
    "wilkinghoff_2023_bias": (79.79, 64.89, 73.04, 59.18),
    "wilkinghoff_2023_trainable": (78.15, 64.86, 72.15, 58.90),
    "wilkinghoff_2023_spectrum": (76.81, 63.09, 66.00, 57.11),
    "wilkinghoff_2023_log_mel": (68.93, 57.79, 65.04, 57.00),
    "wilkinghoff_2023_spectrogram": (77.60, 62.31, 72.10, 58.87),
    "wilkinghoff_2023_joined_later": (81.17, 65.23, 72.18, 59.45),
    "wilkinghoff_2023_sum": (80.21, 64.40, 72.48, 59.22),
    "wilkinghoff_2023_no_temporal_normalization": (80.04, 64.84, 72.85, 59.91),
    "wilkinghoff_2023_gmm": (80.06, 64.67, 71.35, 59.32),
    "wilkinghoff_2023_gmm_sum": (77.10, 65.12, 65.70, 57.26),
    "wilkinghoff_2023_cosine_sum": (77.83, 66.11, 67.98, 58.12),
    "wilkinghoff_2023_gmm_source": (71.48, 58.86, 63.83, 55.74),
    "wilkinghoff_2023_cosine_source": (76.72, 63.37, 67.24, 56.83),
    "wilkinghoff_2023_gmm_target": (70.84, 58.36, 62.55, 54.66),
    "wilkinghoff_2023_standard": (67.72, 55.94, 64.59, 55.22),
}


@cache
def noise_of(year: str, which: SetName) -> tuple[pd.DataFrame, list[Section]]:
    """Scores of the whole set of a year, none better than another."""
    record = Published(year=year, set=which, source="x", all=50.0)
    machines = dict.fromkeys(record.set_machines, 0.0)
    frame = make_table("any", machines, year=year, sections=record.sections, clips=50, train=2).frame
    return frame, find_sections(frame, year)[0]


def scores_at(record: Published, distance: float) -> pd.DataFrame:
    """The same with anomalies so much higher."""
    frame, _ = noise_of(record.year, record.set)
    return frame.assign(score=frame["score"] + distance * ((frame["split"] == "test") & (frame["label"] == "anomaly")))


def hitting(record: Published) -> float:
    """The distance whose official score is the paper's, to a thousandth or so."""
    _, sections = noise_of(record.year, record.set)
    low, high = -2.0, 8.0
    for _ in range(12):
        middle = fmean((low, high))
        scores = scores_at(record, middle)["score"].to_numpy()
        score = official([section_values(scores[one.rows], one, record.year) for one in sections], sections, record.year)
        low, high = (middle, high) if score < (record.score or 0) else (low, middle)
    return fmean((low, high))


def rows_of(folder: Path, name: str, record: Published, distance: float) -> list[Beside]:
    run = make_run(folder, {name: ScoreTable(scores_at(record, distance).assign(system=name))})
    run.update_info(systems={name: {"config": load_system(name).resolved()}})
    found = beside_papers(run, {name: run.scores(name)})
    assert not found.notes
    return [row for row in found.rows if row.record == record]


@pytest.mark.parametrize("name", [name for name in SCORED if not name.startswith("wilkinghoff_2023")])
def test_a_run_that_hits_the_paper_is_within_and_one_far_off_outside(name: str, tmp_path: Path) -> None:
    for number, record in enumerate(SCORED[name]):
        assert record.score is not None
        hit = rows_of(tmp_path / f"hit{number}", name, record, hitting(record))
        assert (hit[0].machine, hit[0].verdict) == ("all", "within")
        assert hit[0].ours == pytest.approx(record.score, abs=0.01)
        assert {row.machine for row in hit[1:]} == set(record.machines)
        assert all(row.verdict in ("within", "outside") for row in hit)
        assert rows_of(tmp_path / f"missed{number}", name, record, 8.0)[0].verdict == "outside"


@pytest.mark.parametrize("name", [name for name in SCORED if name.startswith("wilkinghoff_2023")])
def test_mixed_domains_have_their_own_figures(name: str, tmp_path: Path) -> None:
    for number, record in enumerate(SCORED[name]):
        rows = rows_of(tmp_path / str(number), name, record, 2.0)
        assert [row.figure for row in rows] == ["AUC, domains mixed", "pAUC, domains mixed"]


def test_the_figures_are_those_of_the_papers() -> None:
    held = {name: [(one.year, one.set, one.all) for one in records] for name, records in SCORED.items()}
    for name, figures in PAPERS.items():
        assert sorted(figures) == sorted(held[name]), name
    mixed = {name: [(one.set, one.auc, one.pauc) for one in SCORED[name]] for name in MIXED}
    for name, (auc, pauc, auc_eval, pauc_eval) in MIXED.items():
        assert sorted(mixed[name]) == [("dev", auc, pauc), ("eval", auc_eval, pauc_eval)], name


def test_evaluate_prints_the_verdict_of_qwen_audio(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = SCORED["qwen_audio"][0]
    rows_of(tmp_path / "run", "qwen_audio", record, hitting(record))
    assert main(["evaluate", "--run", str(tmp_path / "run")]) == 0
    shown = capsys.readouterr().out
    assert "Beside what papers report" in shown
    (row,) = [line for line in shown.splitlines() if "Qwen-Audio" in line and "within" in line]
    assert "0.5927" in row
