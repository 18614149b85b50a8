"""What a plan says a network costs is what the network costs, for every system, and no checkpoint is needed for it."""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from zoo.errors import AsdzooError
from zoo.networks import Embedder, InputShape
from zoo.running.forecast import forecast
from zoo.systems import System, load_system, system_paths
from zoo.training.cost import cost_of

CLASSES = [f"2024/machine{number}/00/" for number in range(10)]


@pytest.mark.parametrize("name", [name for name in system_paths() if name.endswith("_tiny")])
def test_it_is_the_cost_of_the_network(name: str) -> None:
    system = load_system(name)
    assert forecast(system, CLASSES) == cost_of(system.build_network(CLASSES, 0), system.shape)


def test_a_large_network_costs_no_memory_and_no_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    monkeypatch.setattr(torch.Tensor, "normal_", lambda self, *args, **kwargs: drawn.append(self.device.type) or self)
    cost = forecast(load_system("wav2vec2_frozen"), CLASSES)
    assert cost.parameters == 315_437_696
    assert set(drawn) <= {"meta"}


class _Looking(Embedder):
    """A network that asks for the value of a parameter, which a draft has none of."""

    dim = 1

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(100, 1))

    def forward(self, waves: Tensor, lengths: Tensor | None = None) -> Tensor:
        return waves @ self.weight * self.weight.sum().item()


def test_a_network_that_looks_at_its_parameters_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    system = load_system("nf_cdee_tiny")
    monkeypatch.setattr("zoo.systems.registry.module", lambda kind, name: SimpleNamespace(build=lambda *_: _Looking()))
    monkeypatch.setattr(System, "shape", InputShape(100, 100))
    cost = forecast(system, CLASSES)
    assert (cost.parameters, cost.macs) == (100, 100)


def test_what_cannot_be_built_is_said() -> None:
    with pytest.raises(AsdzooError, match="too short"):
        forecast(load_system("multi_resolution_cnn_tiny", ["input.seconds=0.01"]), CLASSES)
