"""Configs that version 0.1 wrote still open, as what they meant."""

import pytest

from zoo.legacy import current
from zoo.systems import load_system, system_of

SIZES = {"layers": 2, "width": 64, "heads": 2, "hidden": 128}
BRANCH = {"encoder": SIZES, "init": "random", "weights": None, "projection": 16, "augment": {"frequency": 20, "time": 20}}


def test_an_encoder_that_was_a_model() -> None:
    old = {"train_on": "all", "model": {"name": "beats", **BRANCH}}
    rest = {key: value for key, value in BRANCH.items() if key != "encoder"}
    assert current(old) == {"train_on": "all", "model": {"name": "pretrained", "encoder": "beats", "sizes": SIZES, **rest}}


def test_two_branches() -> None:
    old = {"model": {"name": "beats_eat", "branch_weight": 2.0, "beats": BRANCH, "eat": {"init": "random"}}}
    model = current(old)["model"]
    assert model["beats"]["encoder"] == "beats"
    assert model["beats"]["sizes"] == SIZES
    assert model["eat"] == {"encoder": "eat", "init": "random"}
    assert model["branch_weight"] == 2.0


@pytest.mark.parametrize("name", ["beats_lora", "beats_eat_tiny", "nf_cdee_tiny"])
def test_what_is_of_today_stays_as_it_is(name: str) -> None:
    config = load_system(name).resolved()
    assert current(config) == config


def test_a_run_of_0_1_opens() -> None:
    today = load_system("beats_lora_tiny")
    model = {"name": "beats", "encoder": {**SIZES, "patch_width": 32, "position_kernel": 16, "position_groups": 4}}
    rest = {key: value for key, value in today.resolved()["model"].items() if key not in ("name", "encoder", "sizes")}
    system = system_of("beats_lora_tiny", {**today.resolved(), "model": model | rest}, "run.json")
    assert system.resolved() == today.resolved()
