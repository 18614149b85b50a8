"""The best checkpoints of a run by held-out loss, and the mean of their weights ("model average", [T24 2.2])."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

Weights = dict[str, Tensor]


class BestCheckpoints:
    """The `keep` checkpoints of least held-out loss; of equal ones the earlier."""

    def __init__(self, keep: int) -> None:
        self.keep = keep
        self.kept: list[tuple[float, int, Weights]] = []  # (held-out loss, step, weights), best first

    def __len__(self) -> int:
        return len(self.kept)

    def offer(self, loss: float, step: int, weights: Callable[[], Weights]) -> None:
        """Keep a copy of the weights if they are among the best."""
        if len(self.kept) < self.keep or loss < self.kept[-1][0]:
            copied = {name: value.detach().to("cpu", copy=True) for name, value in weights().items()}
            self.kept = sorted([*self.kept, (loss, step, copied)], key=lambda entry: entry[:2])[: self.keep]

    def mean(self) -> Weights:
        """The mean of the kept weights, in float64; whole numbers, such as batch norm's count, are those of the best."""
        states = [weights for _, _, weights in self.kept]
        return {name: _mean([state[name] for state in states]) for name in states[0]}

    def state(self) -> list[dict[str, Any]]:
        """Plain values and tensors, for `restore`."""
        return [{"loss": loss, "step": step, "network": weights} for loss, step, weights in self.kept]

    def restore(self, state: list[dict[str, Any]]) -> None:
        """Take back what `state` gave."""
        self.kept = [(entry["loss"], entry["step"], entry["network"]) for entry in state]


@torch.no_grad()
def reestimate_batch_norm(network: nn.Module, epoch: Callable[[], None]) -> None:
    """Averaged weights see other activations: make the running statistics the plain mean over the forward passes of `epoch`."""
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return
    network.train()
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    epoch()
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def _mean(values: list[Tensor]) -> Tensor:
    if not values[0].is_floating_point():
        return values[0]
    return torch.stack([value.double() for value in values]).mean(0).to(values[0].dtype)
