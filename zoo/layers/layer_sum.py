"""Which layers of an encoder its tokens are taken from: the last, some, or all as much as training finds that they count.

H = sum_l w_l H_l over the input of the first layer (l = 0) and the output of each. Learned weights are a softmax over logits
that start at zero, so that all count alike at first. Of some encoders the last state is normed and the others are not, as
zoo/encoders/_speech.py says: their norms then decide as well how much a layer counts.

Source: Yang et al., SUPERB, Interspeech 2021, section 3; for anomalous sounds, Han et al., Exploring large scale pre-trained
models for robust machine anomalous sound detection, ICASSP 2024.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from pydantic import BeforeValidator
from torch import Tensor, nn

from zoo.errors import AsdzooError


def _readable(value: object) -> object:
    listed = isinstance(value, list | tuple) and bool(value) and all(type(item) is int and item >= 0 for item in value)
    if value not in ("last", "weighted") and not listed:
        raise ValueError("layers are last, weighted, or numbers in a list, as in [4, 8]")
    return value


# last: the last layer's; [4, 8]: the mean of these, 0 is the input of the first; weighted: the learned sum of all
Layers = Annotated[Literal["last", "weighted"] | tuple[int, ...], BeforeValidator(_readable)]


class LayerSum(nn.Module):
    """Hidden states of all layers, each (batch, tokens, width) -> (batch, tokens, width)."""

    def __init__(self, layers: Literal["weighted"] | tuple[int, ...], states: int) -> None:
        super().__init__()
        self.chosen = range(states) if layers == "weighted" else layers
        if beyond := [layer for layer in self.chosen if layer >= states]:
            raise AsdzooError(
                f"model.layers names layer {beyond[0]}, the encoder has {states - 1}",
                f"layers count from 1 to {states - 1}; 0 is the input of the first",
            )
        self.logits = nn.Parameter(torch.zeros(states)) if layers == "weighted" else None

    @property
    def weights(self) -> Tensor:
        """How much each chosen layer counts; they add up to 1."""
        return torch.full((len(self.chosen),), 1 / len(self.chosen)) if self.logits is None else self.logits.softmax(0)

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        weights = self.weights.unbind()
        return torch.stack([weight * states[layer] for weight, layer in zip(weights, self.chosen, strict=True)]).sum(0)
