"""Networks with pretrained encoders: what of them training changes, and what is saved."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from zoo.encoders._base import Encoder
from zoo.errors import AsdzooError, listed
from zoo.networks import Network

_CHECKSUM = "base_sha256"
_BESIDE = "base_told_beside"  # JSON: what files beside the checkpoint said of an encoder (config.json), which no weights show
_ADAPTER = ".default"  # peft's name of the only adapter, left out of saved names


class PretrainedNetwork(Network):
    """A network with one or more encoders whose frozen weights are not saved."""

    _checksum: bytes | None = None

    def frozen(self) -> Iterator[tuple[str, Tensor]]:
        """Names and tensors of the base: what of the encoders training does not change."""
        encoders = tuple(f"{name}." for name, module in self.named_modules() if isinstance(module, Encoder))
        trained = {name for name, parameter in self.named_parameters() if parameter.requires_grad}
        for name, value in self.state_dict().items():
            if name not in trained and name.startswith(encoders):
                yield name, value

    def base_checksum(self) -> bytes:
        """SHA-256 of the frozen weights, the same for every tuning plan that freezes them all."""
        digest = hashlib.sha256()
        for name, value in sorted((name.replace(".base_layer", ""), value) for name, value in self.frozen()):
            digest.update(name.encode())
            digest.update(value.detach().cpu().reshape(-1).view(torch.uint8).numpy().data)
        return digest.digest()

    def trained_state(self) -> dict[str, Tensor]:
        base = {name for name, _ in self.frozen()}
        state = {name.replace(_ADAPTER, ""): value for name, value in self.state_dict().items() if name not in base}
        if base:
            if self._checksum is None:
                self._checksum = self.base_checksum()  # once: it is some hundred megabytes, and frozen
            state[_CHECKSUM] = torch.tensor(list(self._checksum), dtype=torch.uint8)
            if said := self.told_beside():
                state[_BESIDE] = torch.tensor(list(json.dumps(said, sort_keys=True).encode()), dtype=torch.uint8)
        return state

    def told_beside(self) -> dict[str, Any]:
        """What the files beside its checkpoints said, by encoder; empty where there are none."""
        encoders = {name: module for name, module in self.named_modules() if isinstance(module, Encoder)}
        return {name: dict(module.told_beside) for name, module in encoders.items() if module.told_beside}

    def load_trained_state(self, state: dict[str, Tensor]) -> None:
        own = self.trained_state()
        if _CHECKSUM in own and _CHECKSUM in state and not torch.equal(own[_CHECKSUM], state[_CHECKSUM].cpu()):
            raise AsdzooError(
                f"this was trained on another base: the encoder's weights have checksum {_shown(own)}, it was {_shown(state)}",
                "give the checkpoint it was trained with in model.weights, or train again",
            )
        now, then = (_said(own), _said(state))
        if then is not None and now != then:
            raise AsdzooError(
                f"this was trained with other files beside the encoder's weights: they say {_differing(now or {}, then)}",
                "give the config.json and preprocessor_config.json it was trained with, or train again",
            )
        if different := sorted((own.keys() ^ state.keys()) - {_BESIDE}):
            raise AsdzooError(f"the saved state does not fit the network: {listed(different)}", "was model.tuning changed?")
        if different := [name for name in own if name != _BESIDE and own[name].shape != state[name].shape]:
            raise AsdzooError(f"other shapes in the saved state: {listed(different)}", "was model.tuning changed?")
        with torch.no_grad():
            for name, value in self.state_dict().items():
                if (short := name.replace(_ADAPTER, "")) in state and short in own:
                    value.copy_(state[short])


def _shown(state: Mapping[str, Tensor]) -> str:
    return bytes(state[_CHECKSUM].tolist()).hex()[:12]


def _said(state: Mapping[str, Tensor]) -> dict[str, dict[str, Any]] | None:
    """What files beside the checkpoint said; None in a state that does not hold it (of older runs)."""
    return json.loads(bytes(state[_BESIDE].tolist())) if _BESIDE in state else None


def _differing(now: Mapping[str, Mapping[str, Any]], then: Mapping[str, Mapping[str, Any]]) -> str:
    """The values that are others now."""
    pairs = [(field, now.get(name, {}).get(field), value) for name, said in then.items() for field, value in said.items()]
    return listed([f"{field} {new}, it was {old}" for field, new, old in pairs if new != old])
