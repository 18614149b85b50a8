"""Losses of discriminative systems, one a file; a file in this room is the registration.

Each module `zoo/losses/<name>.py` defines

- `Config(Frozen)`: its hyper-parameters,
- `build(config, dim, classes) -> Loss`: the loss on embeddings of `dim` numbers; centres come from torch's global generator.

In a YAML a loss is a block with a `name`; without one it is ArcFace: `loss: {name: sc_adacos, clusters: 16}`.
"""

from abc import ABC, abstractmethod
from typing import Annotated, Any

import torch
from pydantic import BeforeValidator, SerializeAsAny, ValidationError
from torch import Tensor, nn

from zoo import registry
from zoo.config import Frozen
from zoo.errors import AsdzooError

DEFAULT = "arcface"


class Loss(nn.Module, ABC):
    """What training minimises of embeddings and classes.

    Embeddings are (batch, dim); labels are int64 (batch,), the class of each clip, or float32 (batch, classes), how much of
    each class a mixed clip has.
    """

    classes: int

    @abstractmethod
    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The mean over the batch, a scalar, always float32, inside autocast as well."""

    def unlabelled(self, classes: Tensor) -> None:
        """Hear which classes are machines without attributes, bool (classes,); a loss may give those more centres."""
        return


class LossConfig(Frozen):
    """Base of a loss's hyper-parameters; `name` says which loss it is."""

    name: str


def _parsed(block: Any) -> Any:
    """The `Config` of the loss that a YAML block names. Raises: ValueError, which names the key."""
    if not isinstance(block, dict):
        return block
    name = block.get("name", DEFAULT)
    try:
        return registry.module("loss", str(name)).Config.model_validate({**block, "name": name})
    except AsdzooError as problem:
        raise ValueError(f"{problem.message}; {problem.hint}") from None
    except ValidationError as problem:
        first = problem.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{where}: {first['msg'].removeprefix('Value error, ').lower()} ({first['input']!r})") from None


LossBlock = Annotated[SerializeAsAny[LossConfig], BeforeValidator(_parsed)]
OptionalLossBlock = Annotated[SerializeAsAny[LossConfig] | None, BeforeValidator(_parsed)]  # None: there is nothing to train


def build(config: LossConfig, dim: int, classes: int) -> Loss:
    """The loss of a block."""
    loss: Loss = registry.module("loss", config.name).build(config, dim, classes)
    return loss


def soft(labels: Tensor, classes: int) -> Tensor:
    """Labels as shares of classes, float32 (batch, classes)."""
    if labels.dtype.is_floating_point:
        return labels.float()
    return torch.nn.functional.one_hot(labels, classes).float()
