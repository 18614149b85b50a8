"""Every registered encoder keeps the contract."""

import pytest

from zoo import registry
from zoo.checkpoints.known import known
from zoo.contracts.encoders import EncoderContract


class TestEveryEncoder(EncoderContract):
    @pytest.fixture(autouse=True, params=registry.names("encoder"))
    def _chosen(self, request: pytest.FixtureRequest) -> None:
        self.name = request.param


def test_known_checkpoints_are_of_registered_encoders() -> None:
    assert {entry.encoder for entry in known().values()} <= set(registry.names("encoder"))
