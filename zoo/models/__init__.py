"""Networks: one paper, one file; a file in this folder is the registration.

Each module `zoo/models/<name>.py` defines

- `Config(Frozen)`: its hyper-parameters,
- `build(config, shape, classes) -> Network`: the network, freshly initialised from torch's global generator.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from torch import Tensor, nn

from zoo.errors import unknown_name


@dataclass(frozen=True)
class InputShape:
    """What waves look like when they reach a network."""

    sample_rate: int  # Hz
    samples: int | None  # every clip is cropped or repeated to this many; None: clips keep their length


class Network(nn.Module, ABC):
    """An embedder that can be trained.

    `forward` turns waves into embeddings and `losses` gives what training minimises. Both take

    waves    float32 (batch, samples) in [-1, 1] at the rate of `InputShape`, zero beyond a clip's end
    lengths  int64 (batch,), valid samples of each clip; None: all of them

    Augmentation happens inside, in training mode only.
    """

    dim: int  # of the embedding
    untrained: bool = False  # a pretrained encoder that got random weights; its numbers say nothing about the method

    @abstractmethod
    def forward(self, waves: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Embeddings, float32 (batch, dim)."""

    @abstractmethod
    def losses(self, waves: Tensor, labels: Tensor, lengths: Tensor | None = None) -> dict[str, Tensor]:
        """Scalar batch means by name; training back-propagates their sum. `labels` is int64 (batch,), the class index."""

    def trained_state(self) -> dict[str, Tensor]:
        """What training changes and a run has to keep; a network with a frozen base leaves the base out."""
        return self.state_dict()

    def load_trained_state(self, state: dict[str, Tensor]) -> None:
        """Put `trained_state` back. Raises: AsdzooError when it belongs to another base."""
        self.load_state_dict(state)


def model_names() -> list[str]:
    """Names of all networks of the zoo."""
    return sorted(module.name for module in iter_modules(__path__))


def model_module(name: str) -> ModuleType:
    """The module of one network. Raises: AsdzooError for an unknown name."""
    if name not in model_names():
        raise unknown_name("model", name, model_names())
    return import_module(f"zoo.models.{name}")
