"""Low-rank adapters: which matrices of an encoder get one, and of what rank. The only importer of peft.

A plan names matrices by the encoder's short names (BEATs: q, k, v, out, fc1, fc2; EAT: qkv, proj, fc1, fc2) and layers as the
papers do, from 1: "1-4, 9-12". `raised` gives some of them another rank: [T24 2.3] and the rank plans of [LoRA].

Source: Hu et al., LoRA, ICLR 2022; [LoRA] Zheng et al., LoRA fine-tuning of pre-trained audio models for anomalous sound
detection, 2025; [T24] THUEE, DCASE 2024 Task 2, sections 2.3 and 2.4.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MethodType
from typing import Any, Literal

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt, field_validator
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.config import Frozen
from zoo.errors import AsdzooError, unknown_name

_RANGES = re.compile(r"\d+(-\d+)?(, *\d+(-\d+)?)*")


def numbers(ranges: str) -> list[int]:
    """The numbers that a list of ranges names.

    >>> numbers("1-4, 9, 11-12")
    [1, 2, 3, 4, 9, 11, 12]
    """
    result: set[int] = set()
    for part in ranges.replace(" ", "").split(","):
        first, _, last = part.partition("-")
        result.update(range(int(first), int(last or first) + 1))
    return sorted(result)


def layer_numbers(value: object) -> object:
    """`value` as text, when it is one layer or ranges of layers. Raises: ValueError when it is text of another form."""
    text = str(value) if isinstance(value, int) else value
    if isinstance(text, str) and not _RANGES.fullmatch(text):
        raise ValueError("layers are numbers and ranges from 1, as in 1-4, 9-12")
    return text


class _Places(Frozen):
    matrices: tuple[str, ...] | None = None  # None: all of the plan
    layers: str | None = None  # from 1, "1-4, 9-12"; None: all of the plan

    _readable = field_validator("layers", mode="before")(layer_numbers)


class Raised(_Places):
    """Another rank for a part of the plan."""

    rank: PositiveInt


class Tuning(_Places):
    """What training changes in a pretrained encoder."""

    mode: Literal["lora", "full", "frozen"] = "lora"
    rank: PositiveInt = 64
    raised: Raised | None = None
    alpha: PositiveFloat = (
        2.0  # the adapter's scale, in ranks: its output counts alpha times whatever its rank; open in the papers
    )
    dropout: NonNegativeFloat = 0.0  # before the adapter; open in the papers


def ranks(plan: Tuning, layer_list: str, layers: int, matrices: Mapping[str, str]) -> dict[str, int]:
    """Rank of each adapted module, by its full name, in the order of the network.

    Raises: AsdzooError for a matrix or layer that the encoder does not have, and for a plan that names none.
    """
    plain = _selected(plan, layers, matrices, "mend model.tuning.layers")
    hint = "mend model.tuning.raised, or leave it out: --set model.tuning.raised=null"
    raised = _selected(plan.raised, layers, matrices, hint) if plan.raised else set()
    result = {}
    for layer in range(1, layers + 1):
        for matrix, suffix in matrices.items():
            if (layer, matrix) in plain:
                rank = plan.raised.rank if plan.raised and (layer, matrix) in raised else plan.rank
                result[f"{layer_list}.{layer - 1}.{suffix}"] = rank
    if not result:
        raise AsdzooError("the tuning plan adapts nothing", "name model.tuning.matrices, or set model.tuning.mode=frozen")
    return result


def _selected(places: _Places, layers: int, matrices: Mapping[str, str], hint: str) -> set[tuple[int, str]]:
    names = matrices if places.matrices is None else places.matrices
    for name in names:
        if name not in matrices:
            raise unknown_name("matrix", name, matrices)
    chosen = range(1, layers + 1) if places.layers is None else numbers(places.layers)
    if not chosen or chosen[0] < 1 or chosen[-1] > layers:
        raise AsdzooError(f"the tuning plan names layers {places.layers}, the encoder has 1-{layers}", hint)
    return {(layer, name) for layer in chosen for name in names}


def add_adapters(encoder: nn.Module, plan: Tuning, rank_of: Mapping[str, int]) -> None:
    """Freeze the encoder in place and put an adapter beside each module in `rank_of`. Adapters start as zero maps."""
    from peft import LoraConfig, inject_adapter_in_model

    exact = {re.escape(name): rank for name, rank in rank_of.items()}
    config = LoraConfig(
        target_modules=list(rank_of),
        r=plan.rank,
        lora_alpha=plan.alpha * plan.rank,
        lora_dropout=plan.dropout,
        rank_pattern=exact,
        alpha_pattern={name: plan.alpha * rank for name, rank in exact.items()},
    )
    inject_adapter_in_model(config, encoder)
    for layer in _adapted(encoder).values():
        layer.cast_input_dtype_enabled = False  # peft would turn bf16 activations into float32 and autocast turn them back


@contextmanager
def in_one_product(encoder: nn.Module) -> Iterator[None]:
    """While the block runs, an adapter's last product adds its output to what the matrix gives: y += scale * (x A^T) B^T.

    To rounding the same numbers as one by one, without two passes over the activations; x is cast once, to the matrix's type.
    """
    layers = list(_adapted(encoder).values())
    for layer in layers:
        layer.forward = MethodType(_in_one_product, layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _in_one_product(layer: Any, x: Tensor) -> Tensor:
    (name,) = layer.active_adapters
    down, up = layer.lora_A[name].weight, layer.lora_B[name].weight
    rows = x.to(layer.base_layer.weight.dtype).flatten(0, -2)
    low = F.linear(layer.lora_dropout[name](rows), down)
    y: Tensor = layer.base_layer(rows)
    y.addmm_(low, up.to(low.dtype).T, alpha=layer.scaling[name])  # nothing else has seen y
    return y.view(*x.shape[:-1], -1)


def _adapted(encoder: nn.Module) -> dict[str, Any]:
    from peft.tuners.lora import LoraLayer

    return {name: module for name, module in encoder.named_modules() if isinstance(module, LoraLayer)}
