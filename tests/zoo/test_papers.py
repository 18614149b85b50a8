"""Published numbers: what a record may hold, whose settings it is of, and that the shipped ones agree with themselves."""

from pathlib import Path
from statistics import harmonic_mean
from typing import Any

import pytest

from fusion.ensemble import read_ensemble, shipped_ensembles
from zoo.config import Frozen, ablation_paths, load_inherited, load_yaml, parse
from zoo.errors import AsdzooError
from zoo.papers import Published
from zoo.running.plan import NOT_TRAINED
from zoo.systems import load_system, system_paths

DEV = ("bearing", "fan", "gearbox", "slider", "ToyCar", "ToyTrain", "valve")
GOOD: dict[str, Any] = {"year": "2024", "set": "dev", "source": "a paper", "all": 60.0}


def _shipped() -> dict[str, list[Published]]:
    class Block(Frozen):
        published: list[Published]

    files = system_paths() | ablation_paths() | shipped_ensembles()
    values = {name: load_yaml(path).get("published") for name, path in files.items()}
    return {name: parse(Block, {"published": own}, name).published for name, own in values.items() if own}


SHIPPED = _shipped()


@pytest.mark.parametrize("name", SHIPPED)
def test_machines_give_the_score_of_the_set(name: str) -> None:
    for record in SHIPPED[name]:
        if record.machines:
            assert set(record.machines) == set(record.set_machines)
            flat = [
                number for own in record.machines.values() for number in (own if isinstance(own, tuple) else (own, own, own))
            ]
            assert harmonic_mean(flat) == pytest.approx(record.all, abs=0.011)  # two digits were printed
            assert harmonic_mean([record.machine_score(one) for one in record.machines]) == pytest.approx(
                (record.all or 0) / 100, abs=1.1e-4
            )


def test_the_tables_of_the_papers_are_there() -> None:
    thuee = ["nf_cdee", "dual_branch_cnn", "beats_lora", "eat_lora", "beats_eat", *(f"thuee_{i}" for i in range(1, 5))]
    scores = [record.all for name in thuee for record in SHIPPED[name]]
    assert scores == [58.72, 62.65, 64.26, 65.23, 65.77, 67.67, 68.38, 67.39, 68.33]
    assert len([name for name in SHIPPED if name.startswith("han_")]) == 16
    baselines = {(record.year, record.all) for name in ("autoencoder", "autoencoder_mse") for record in SHIPPED[name]}
    assert {("2023", 61.05), ("2023", 59.25), ("2024", 56.51), ("2025", 54.43), ("2026", 54.76)} <= baselines
    assert all(
        record.metric == "mixed_domain"
        for name, own in SHIPPED.items()
        if name.startswith("wilkinghoff_2023")
        for record in own
    )


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"year": "2020"}, "2020 is no year of the challenge from 2021 on"),
        ({"year": "1999"}, "1999 is no year"),
        ({"all": 0.6}, "0.6 is no per cent of a score"),
        ({"machines": {"fan": [61.0, 0.5, 50.0]}}, "0.5 is no per cent"),
        ({"machines": {"SynthFan": 60.0}}, "the development set of 2024 has no machine SynthFan"),
        ({"all": None}, "official score under `all`"),
        ({"auc": 60.0}, "auc and pauc are of mixed_domain"),
        ({"metric": "mixed_domain"}, "nothing of the official metric"),
        ({"set": "test"}, "dev"),
        ({"sauce": "x"}, "unknown key"),
    ],
)
def test_bad_records_are_refused(changes: dict[str, Any], says: str) -> None:
    parse(Published, GOOD, "x.yaml")
    with pytest.raises(AsdzooError) as raised:
        parse(Published, GOOD | changes, "x.yaml")
    assert says in raised.value.message
    assert raised.value.message.startswith("x.yaml: ")


def test_a_config_has_none_of_its_base_and_none_of_other_settings(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("base: dual_branch_cnn\ndescription: mine\n")
    assert load_system("dual_branch_cnn").config.published
    assert "published" not in load_inherited(path)
    assert not load_system(str(path)).config.published
    assert not load_system("dual_branch_cnn", ["training.steps=20"]).config.published
    assert load_system("log_mel_knn", ["training.steps=20"]).config.model == load_system("log_mel_knn").config.model
    assert load_system("wilkinghoff_2023_bias").config.published != load_system("wilkinghoff_2023").config.published


def test_records_are_no_part_of_a_task() -> None:
    assert "published" in NOT_TRAINED
    ensemble = read_ensemble(shipped_ensembles()["thuee_2"])
    less, notes = ensemble.of_trained(["eat_lora"], skip=True)
    assert ensemble.published
    assert notes
    assert not less.published
