"""The ensemble file: the four of the report, what is refused, and the way there and back."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from fusion.ensemble import Ensemble, Found, find_ensemble, read_ensemble, shipped_ensembles, write_ensemble
from zoo.errors import AsdzooError
from zoo.systems import system_paths

MEMBERS = ("nf_cdee", "dual_branch_cnn", "beats_lora", "eat_lora", "beats_eat")
TABLE_2 = {  # THUEE report, Table 2, in the order of MEMBERS
    ("thuee_1", "Scanner"): (0, 0, 0.5, 0.4, 0.1),
    ("thuee_1", "valve"): (0, 0.2, 0.1, 0.3, 0.4),
    ("thuee_2", "RoboticArm"): (0.5, 0, 0, 0.5, 0),
    ("thuee_2", "fan"): (0, 0, 0.5, 0.4, 0.1),
    ("thuee_3", "gearbox"): (0, 0.2, 0.3, 0.2, 0.3),
    ("thuee_4", "slider"): (0.2, 0.1, 0.3, 0.4, 0),
    ("thuee_4", "ToyTrain"): (0, 0.2, 0.3, 0.2, 0.3),
}


@pytest.mark.parametrize(("key", "expected"), TABLE_2.items(), ids=str)
def test_the_four_of_the_report(key: tuple[str, str], expected: tuple[float, ...]) -> None:
    _, ensemble = find_ensemble(key[0])
    weights = ensemble.weights_of(key[1])
    assert tuple(weights.get(member, 0) for member in MEMBERS) == expected


def test_shipped_ensembles_are_the_four_and_a_label_free_one() -> None:
    assert list(shipped_ensembles()) == ["frontline_2026", "thuee_1", "thuee_2", "thuee_3", "thuee_4"]
    _, label_free = find_ensemble("frontline_2026")
    assert len(set(label_free.weights["others"].values())) == len(label_free.weights) == 1
    assert set(label_free.systems) <= set(system_paths())


def test_synthetic_and_filed_machines_find_their_group() -> None:
    _, ensemble = find_ensemble("thuee_2")
    assert ensemble.weights_of("SynthGearbox") == ensemble.weights["periodic"]
    filed = ensemble.model_copy(update={"groups": {"MyPump": "periodic"}})
    assert filed.weights_of("MyPump") == ensemble.weights["periodic"]
    assert ensemble.weights_of("MyPump") == ensemble.weights["others"]


def test_the_most_particular_name_wins() -> None:
    ensemble = Ensemble(
        description="",
        weights={"others": {"a": 1.0}, "periodic": {"b": 1.0}, "slider": {"c": 1.0}},
        development={"gearbox": {"d": 1.0}},
    )
    found = {machine: next(iter(ensemble.weights_of(machine))) for machine in ("fan", "RoboticArm", "slider", "gearbox")}
    assert found == {"fan": "a", "RoboticArm": "b", "slider": "c", "gearbox": "d"}
    assert ensemble.systems == ("a", "b", "c", "d")


def test_a_machine_without_weights() -> None:
    ensemble = Ensemble(description="", weights={"periodic": {"a": 1.0}})
    with pytest.raises(AsdzooError, match="no weights for fan"):
        ensemble.weights_of("fan")


def test_written_and_read_it_is_the_same_to_the_last_bit(tmp_path: Path) -> None:
    third = np.nextafter(1 / 3, 0)
    ensemble = Ensemble(
        description="three",
        weights={"others": {"a": third, "b": 1 / 3, "c": 1 - third - 1 / 3}},
        development={"fan": {"a": 0.1 + 0.2, "b": 0.7}},
        groups={"MyPump": "impulsive"},
        found=Found(method="averaged", trials=7, shrinkage={"temperature": 0.06}, cross_validated=0.1 + 0.5, notes=["é: so"]),
    )
    write_ensemble(ensemble, tmp_path / "three.yaml")
    assert read_ensemble(tmp_path / "three.yaml") == ensemble
    assert find_ensemble("three", tmp_path) == ("three", ensemble)
    assert find_ensemble(str(tmp_path / "three.yaml")) == ("three", ensemble)


@pytest.mark.parametrize(
    ("changes", "sentence", "hint"),
    [
        ({"wieghts": {}}, "unknown key wieghts", "did you mean weights?"),
        ({"weights": {"others": {"a": 0.5, "b": 0.4}}}, "the weights for others sum to 0.9, not 1", "it is"),
        ({"weights": {"others": {"a": 1.5, "b": -0.5}}}, "the weight of b for others is -0.5", "it is"),
        ({"weights": {"others": {"a": float("nan")}}}, "the weight of a for others is nan", "it is"),
        ({"weights": {}}, "weights", ""),
        ({"combiner": "sum"}, "combiner: input should be 'weighted', 'train-rank', 'rank', 'min' or 'max'", "'sum'"),
        ({"groups": {"MyPump": "peri"}}, "groups: there is no group 'peri' to file MyPump in", ""),
        ({"description": None}, "description", ""),
    ],
)
def test_what_is_refused(tmp_path: Path, changes: dict[str, object], sentence: str, hint: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"description": "mine", "weights": {"others": {"a": 1.0}}, **changes}))
    with pytest.raises(AsdzooError) as problem:
        read_ensemble(path)
    assert str(path) in problem.value.message
    assert sentence in problem.value.message
    assert hint in problem.value.hint


def test_unknown_ensemble_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(AsdzooError, match=r"unknown ensemble 'thue_2' \(did you mean thuee_2\?\)"):
        find_ensemble("thue_2", tmp_path)
    with pytest.raises(AsdzooError, match="no file"):
        find_ensemble(str(tmp_path / "none.yaml"))
