"""The plugin's own tests: what asdzoo asks of every detector, and what goes wrong with this one."""

from typing import ClassVar

import pytest
from asdzoo_pyod import Config, build

from zoo.contracts import DetectorContract
from zoo.contracts.detectors import normal
from zoo.plugins import AsdzooError


class TestPyod(DetectorContract):
    name = "pyod"
    options: ClassVar[dict[str, object]] = {"class": "nearest.Nearest"}
    inexact = "training clips are left out a tenth at a time"


def test_a_class_that_is_not_there() -> None:
    for config in (Config(class_="none.None"), Config(class_="nearest.Nearest", options={"no": 1})):
        with pytest.raises(AsdzooError, match="cannot be made"):
            build(config).fit(*normal(5, 1))
