"""Golden numbers: reading them, and holding a tensor against them."""

import json
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor


def golden(name: str) -> dict[str, Any]:
    """The file tests/golden/NAME.json; its `description` says how it was made."""
    content: dict[str, Any] = json.loads((Path(__file__).parents[1] / "golden" / f"{name}.json").read_text())
    return content


def agrees(values: Tensor, probe: dict[str, Any], tolerance: float = 1e-4) -> None:
    """Assert shape, the probed values, mean and deviation, each to `tolerance` times the deviation."""
    assert list(values.shape) == probe["shape"]
    flat = values.detach().double().reshape(-1)
    slack = tolerance * probe["deviation"]
    assert [flat[index].item() for index in probe["at"]] == pytest.approx(probe["values"], abs=slack, rel=0)
    assert flat.mean().item() == pytest.approx(probe["mean"], abs=slack, rel=0)
    assert flat.std(unbiased=False).item() == pytest.approx(probe["deviation"], rel=tolerance)
