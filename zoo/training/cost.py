"""What a network costs: parameters, and multiply-accumulate operations for one clip.

Counted by torch's FLOP counter, which sees matrix products, convolutions and attention (two FLOPs are one multiply-accumulate);
Fourier transforms and element-wise work are not in it.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

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
    return _counted(network, shape, seconds, network.device)


def cost_of_plan(build: Callable[[], Embedder], shape: InputShape, seconds: float = 10.0) -> Cost:
    """The same of a network that `build` makes, from shapes alone, in seconds however large it is.

    Its parameters lie on torch's meta device, and so does all that is computed with them.

    Raises: RuntimeError, NotImplementedError and others where something in it depends on the values of parameters.
    """
    import torch

    from zoo.training.devices import nowhere
    from zoo.training.shapes import Shapes

    with nowhere():
        network = build()
    return _counted(network, shape, seconds, torch.device("cpu"), Shapes())  # type: ignore[no-untyped-call]


def _counted(network: Embedder, shape: InputShape, seconds: float, device: torch.device, *within: Any) -> Cost:
    import torch  # here, so that a cost on disk is read without it
    from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

    def attention(q: Any, k: Any, v: Any, *others: Any, **named: Any) -> int:
        return int(sdpa_flop_count(q, k, v))  # type: ignore[no-untyped-call]

    on_cpu = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: attention}  # torch knows those of GPUs
    samples = shape.samples or round(seconds * shape.sample_rate)
    training, fused = network.training, torch.backends.mha.get_fastpath_enabled()
    network.eval()
    torch.backends.mha.set_fastpath_enabled(False)  # one operation of a whole layer, in which attention is not seen
    try:
        with torch.inference_mode(), FlopCounterMode(display=False, custom_mapping=on_cpu) as counter, ExitStack() as inside:
            for mode in within:
                inside.enter_context(mode)
            network(torch.zeros((1, samples) if shape.views == 1 else (1, shape.views, samples), device=device))
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
        network.train(training)
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in network.parameters()]
    trainable = sum(size for size, requires_grad in sizes if requires_grad)
    return Cost(sum(size for size, _ in sizes), trainable, counter.get_total_flops() // 2)
