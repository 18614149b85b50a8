"""What every model, encoder and detector promises, as test classes: a plugin's own tests inherit them.

    from zoo.contracts import DetectorContract

    class TestPyod(DetectorContract):
        name = "pyod"
        options = {"class": "knn.KNN"}

They need pytest, and the plugin installed. Nothing of the program imports them.
"""

import pytest

pytest.register_assert_rewrite("zoo.contracts.detectors", "zoo.contracts.encoders", "zoo.contracts.models")

from zoo.contracts.detectors import DetectorContract  # noqa: E402
from zoo.contracts.encoders import EncoderContract  # noqa: E402
from zoo.contracts.models import ModelContract  # noqa: E402

__all__ = ["DetectorContract", "EncoderContract", "ModelContract"]
