"""What a network costs: parameters, and multiply-accumulate operations for one clip.

Counted by torch's FLOP counter, which sees matrix products, convolutions and attention (two FLOPs are one multiply-accumulate);
Fourier transforms and element-wise work are not in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.networks import Embedder, InputShape


@dataclass(frozen=True)
class Cost:
    """Of one network."""

    parameters: int  # trainable and frozen, without buffers
    trainable: int
    macs: int  # one forward pass of one clip, waveform to embedding

    def to_train(self, clips: int) -> int:
        """Operations of so many clips in training, at most: forward, backward to inputs and weights, two a multiplication."""
        return 6 * self.macs * clips

    def to_score(self, clips: int) -> int:
        """Operations of so many forward passes, two a multiplication."""
        return 2 * self.macs * clips


def cost_of(network: Embedder, shape: InputShape, seconds: float = 10.0) -> Cost:
    """Parameters, and operations for a clip of `seconds` (of the network's own length, if it has one)."""
    import torch  # here, so that a cost on disk is read without it
    from torch.utils.flop_counter import FlopCounterMode

    samples = shape.samples or round(seconds * shape.sample_rate)
    training = network.training
    network.eval()
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(torch.zeros((1, samples) if shape.views == 1 else (1, shape.views, samples), device=network.device))
    network.train(training)
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in network.parameters()]
    trainable = sum(size for size, requires_grad in sizes if requires_grad)
    return Cost(sum(size for size, _ in sizes), trainable, counter.get_total_flops() // 2)
