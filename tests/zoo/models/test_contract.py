"""Every model keeps the contract, at the sizes of its tiny system."""

from typing import Any

import pytest

from zoo import registry
from zoo.contracts import ModelContract
from zoo.systems import System, load_system

TINY = {
    "autoencoder": "autoencoder_tiny",
    "mobilenet": "mobilenet_tiny",
    "multi_resolution_cnn": "multi_resolution_cnn_tiny",
    "nf_cdee": "nf_cdee_tiny",
    "dual_branch_cnn": "dual_branch_cnn_tiny",
    "log_mel": "log_mel_knn",
    "pretrained": "eat_lora_tiny",
    "beats_eat": "beats_eat_tiny",
    "two_views": "beats_difference_tiny",
}


class TestEveryModel(ModelContract):
    @pytest.fixture(autouse=True, params=registry.names("model"))
    def _chosen(self, request: pytest.FixtureRequest) -> None:
        system: System = load_system(TINY[request.param])
        options: dict[str, Any] = {key: value for key, value in system.config.model.items() if key != "name"}
        self.__dict__.update(name=request.param, options=options, samples=system.shape.samples)
