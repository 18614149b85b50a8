"""docs/baselines.md is true: its detectors read, its systems are shipped with as many parameters, its keys are keys."""

import re
from pathlib import Path

import pytest
import yaml

from zoo import registry
from zoo.config import ablation_paths, parse
from zoo.losses import Loss
from zoo.systems import load_system, system_paths

PAGE = (Path(__file__).parents[1] / "docs" / "baselines.md").read_text()
LINES = [line for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) for line in block.strip().splitlines()]
SIZES = re.findall(r"^\| `(\w+)` \|.*\| ([\d.]+) M(?: and class centres)? \|$", PAGE, re.MULTILINE)


def test_every_detector_reads() -> None:
    assert len(LINES) == 7
    for line in LINES:
        block = yaml.safe_load(line)["detector"]
        parse(registry.module("detector", block.pop("name")).Config, block, line)


@pytest.mark.parametrize(("name", "millions"), SIZES)
def test_systems_have_as_many_parameters(name: str, millions: str) -> None:
    assert len(SIZES) == 4
    assert f"{name}_tiny" in system_paths()
    network = load_system(name).build_network(["a", "b"], 0)
    centers = sum(p.numel() for part in network.modules() if isinstance(part, Loss) for p in part.parameters())
    count = sum(parameter.numel() for parameter in network.parameters()) - centers
    assert count / 1e6 == pytest.approx(float(millions), rel=0.06)


def test_every_key_is_one() -> None:
    keys = re.findall(r"^\| `(\w+)\.(\w+)` \|", PAGE, re.MULTILINE)
    system = load_system("wilkinghoff_2023")
    for block, key in keys:
        fields = type(system.network_config if block == "model" else system.config.augment).model_fields
        assert key in fields
    assert len(keys) == 7
    assert sum(name.startswith("wilkinghoff_2023_") for name in ablation_paths()) >= 18
    for word in ("sc_adacos", "adaproj", "arcface"):
        assert word in registry.names("loss")
