"""docs/scoring.md is true: its blocks are configs that read, and it names systems and keys that are there."""

import re
from pathlib import Path

import yaml

from zoo import registry
from zoo.config import parse
from zoo.detectors import knn
from zoo.models import pretrained
from zoo.systems import load_system

PAGE = (Path(__file__).parents[1] / "docs" / "scoring.md").read_text()
DETECTORS, MODEL = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def test_every_detector_reads() -> None:
    lines = DETECTORS.strip().splitlines()
    assert len(lines) == 5
    for line in lines:
        block = yaml.safe_load(line)["detector"]
        name = block.pop("name")
        parse(registry.module("detector", name).Config, block, line)


def test_every_key_is_one() -> None:
    table = PAGE.split("| key |")[1].split("\n\n")[0]
    keys = set(re.findall(r"^\| `(\w+)", table, re.MULTILINE))
    assert keys <= set(knn.Config.model_fields)
    assert {"parts", "banks", "standardise", "rescale", "mem_mixup", "smote"} == keys
    for word in ("k_source", "k_target", "neighbors", "deviation"):
        assert word in knn.Config.model_fields
        assert word in PAGE


def test_the_model_reads_and_needs_no_training() -> None:
    block = yaml.safe_load(MODEL)["model"]
    assert block.pop("name") == "pretrained"
    assert not pretrained.needs_training(parse(pretrained.Config, block, "page"))


def test_the_systems_train_nothing() -> None:
    names = re.findall(r"`(\w+_(?:knn|pca|frozen))`", PAGE)
    assert len(names) == 6
    assert all(load_system(name).config.training is None for name in names)
