"""What a plugin imports: the types that its module defines, and what a detector needs to check its input. These names stay.

`docs/plugins.md` shows how; `zoo.contracts` has the tests that a plugin should pass.
"""

from zoo.config import Frozen
from zoo.data.clips import Clip
from zoo.detectors import Detector, FloatArray, Need
from zoo.detectors._arrays import canonical_order, checked, checked_training, fitted, joined
from zoo.detectors._points import PointDetector
from zoo.encoders._base import Encoder
from zoo.errors import AsdzooError
from zoo.losses import Loss, LossConfig
from zoo.metadata import Words
from zoo.networks import DensityNetwork, Embedder, FrameNetwork, InputShape, Network

__all__ = [
    "AsdzooError",
    "Clip",
    "DensityNetwork",
    "Detector",
    "Embedder",
    "Encoder",
    "FloatArray",
    "FrameNetwork",
    "Frozen",
    "InputShape",
    "Loss",
    "LossConfig",
    "Need",
    "Network",
    "PointDetector",
    "Words",
    "canonical_order",
    "checked",
    "checked_training",
    "fitted",
    "joined",
]
