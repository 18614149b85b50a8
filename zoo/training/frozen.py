"""Frozen matrices in bf16 while a network is trained in bf16: half their memory, and fewer casts in every pass.

Under autocast each product casts its factors: a frozen weight anew in every pass, and what queries, keys, values and their
adapters hear once for each of them. Here weights are cast once for the whole training, what an attention or a feed-forward part
hears once in each layer, and an adapter is one product more (`zoo.layers.lora.in_one_product`).

Norms, position biases and the front end stay in float32. So does everything that is saved.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any, Literal

from torch import nn

from zoo.encoders._base import Encoder
from zoo.layers.lora import in_one_product
from zoo.models._tuned import PretrainedNetwork


def frozen_matrices(network: nn.Module) -> list[nn.Linear]:
    """The matrices of the layers of its encoders that training does not change, without adapters beside them.

    None of a network that would save them.
    """
    if not isinstance(network, PretrainedNetwork):
        return []
    found = [getattr(module, "base_layer", module) for _, module in _matrices(network)]
    return [matrix for matrix in found if isinstance(matrix, nn.Linear) and not matrix.weight.requires_grad]


def frozen_in(
    precision: Literal["fp32", "bf16"], network: nn.Module, half: bool, note: Callable[[str], None]
) -> AbstractContextManager[None]:
    """The network's frozen matrices in this precision while a block runs, where that can be; `note` hears where it cannot.

    half: whether training is in bf16.
    """
    if precision == "fp32":
        return nullcontext()
    if half and isinstance(network, PretrainedNetwork) and frozen_matrices(network):
        return in_bf16(network)
    why = "nothing of the network is frozen" if half else "training is in float32 (training.precision)"
    note(f"training.frozen_precision=bf16 changes nothing here: {why}")
    return nullcontext()


@contextmanager
def in_bf16(network: PretrainedNetwork) -> Iterator[None]:
    """While the block runs, frozen matrices are bf16; it is for autocast. Afterwards they are what they were, bit by bit.

    On a GPU what they were waits in the host's memory.
    """
    network.trained_state()  # so that it knows the checksum of its frozen weights as they are now
    weights = [value for matrix in frozen_matrices(network) for value in matrix.parameters()]
    kept = [value.data.to("cpu") for value in weights]
    with ExitStack() as stack:
        for encoder in _encoders(network):
            stack.enter_context(in_one_product(encoder))
        for listener in dict.fromkeys(holder for holder, _ in _matrices(network) if holder is not None):
            stack.callback(listener.register_forward_pre_hook(_cast_once).remove)
        try:
            for value in weights:
                value.data = value.data.bfloat16()
            yield
        finally:
            for value, before in zip(weights, kept, strict=True):
                value.data = before.to(value.device)


def _encoders(network: nn.Module) -> list[Encoder]:
    return [module for module in network.modules() if isinstance(module, Encoder)]


def _matrices(network: nn.Module) -> Iterator[tuple[nn.Module | None, nn.Module]]:
    """All matrices of all layers, with the part of the layer that holds them; None: the layer itself."""
    for encoder in _encoders(network):
        for layer in encoder.get_submodule(encoder.layer_list).children():
            for name in encoder.matrices.values():
                holder = name.rpartition(".")[0]
                yield layer.get_submodule(holder) if holder else None, layer.get_submodule(name)


def _cast_once(_: nn.Module, heard: tuple[Any, ...]) -> tuple[Any, ...]:
    tokens, *rest = heard
    return (tokens.bfloat16(), *rest)
