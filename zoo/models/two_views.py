"""A pretrained encoder that hears two views of a clip: what is at the machine, and a reference of what is around it.

difference   e(near) - a e(far): what both microphones hear alike is taken off each embedding. Source: UTurtle, DCASE 2026
             Task 2, a = 0.5
adapter      blocks after each layer that update the tokens of near from those of far; `asdzoo adapt` trains them, and here they
             stay as they are (zoo/layers/reference_attention.py)

All else is that of `pretrained`. Where the input has one view, it is heard by itself.
"""

from typing import Any

import torch
from pydantic import NonNegativeFloat, model_validator
from torch import Tensor

from zoo.layers.reference_attention import ReferenceAttention
from zoo.metadata import Words
from zoo.models import pretrained
from zoo.models._adapter_files import read_adapter
from zoo.models._tuned import PretrainedNetwork
from zoo.models.pretrained import Pretrained
from zoo.networks import InputShape

METADATA = Words()  # its encoder has the words
VIEWS = 2


class Config(pretrained.Config):
    """The system's model: that of `pretrained`, and what becomes of the reference."""

    difference: NonNegativeFloat = 0.5  # a
    adapter: str | None = None  # a file that `asdzoo adapt` wrote for this encoder and these weights
    segments: None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> "Config":
        if self.adapter is not None and self.difference:
            raise ValueError("an adapter takes the reference in already: set difference to 0")
        if self.adapter is not None and self.checkpointing:
            raise ValueError("activations cannot be computed twice between an adapter's blocks: set checkpointing to false")
        return self


def needs_training(config: Config) -> bool:
    """As for `pretrained`."""
    return pretrained.needs_training(config)


def files(config: Config) -> list[str]:
    """The adapter: another content under the same name is another system."""
    return [] if config.adapter is None else [config.adapter]


def build(config: Config, shape: InputShape, classes: int) -> "TwoViews":
    """Raises: AsdzooError as `pretrained` does, and for an adapter of another encoder."""
    return TwoViews(config, shape, classes)


class TwoViews(PretrainedNetwork):
    """Waves (batch, 2, samples), near and far; (batch, samples) where the input has one view, near alone."""

    def __init__(self, config: Config, shape: InputShape, classes: int) -> None:
        super().__init__()
        values: dict[str, Any] = {name: getattr(config, name) for name in pretrained.Config.model_fields}
        self.heard = Pretrained(pretrained.Config(**values), shape, classes)
        self.untrained, self.parts, self.dim = self.heard.untrained, self.heard.parts, self.heard.dim
        self.difference, self.views = config.difference, shape.views
        self.adapter: ReferenceAttention | None = None
        if config.adapter is not None:
            self.adapter = read_adapter(config.adapter, config.encoder, self.heard.encoder).requires_grad_(False)

    def forward(self, waves: Tensor, lengths: Tensor | None = None) -> Tensor:
        return self._of_both(self.heard, waves, lengths)

    def losses(self, waves: Tensor, labels: Tensor, lengths: Tensor | None = None) -> dict[str, Tensor]:
        return {"arcface": self.heard.loss_of(self._of_both(self.heard.embed, waves, lengths), labels)}

    def _of_both(self, embed: Any, waves: Tensor, lengths: Tensor | None) -> Tensor:
        """What `embed` gives of near, with far taken in."""
        near: Tensor
        if waves.ndim != self.views + 1:
            raise TypeError(f"waves of {self.views} views are wanted, and these have the shape {tuple(waves.shape)}")
        if self.views == 1:
            near = embed(waves, lengths)
            return near
        heard, reference = waves.unbind(1)
        if self.adapter is None:
            near = embed(heard, lengths)
            return near - self.difference * embed(reference, lengths) if self.difference else near
        encoder = self.heard.encoder
        with torch.no_grad():
            features, padding = encoder.features(reference, None if self.heard.same_length else lengths)
            states = encoder.hidden_states(features, padding)
        with self.adapter.between(encoder, states[1:], padding):
            near = embed(heard, lengths)
        return near
