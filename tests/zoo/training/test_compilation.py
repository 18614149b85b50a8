"""Compiled layers give the same numbers, and on a CPU nothing is compiled unless somebody asks."""

from unittest.mock import Mock

import pytest
import torch
from torch import Tensor, nn

from zoo.encoders.beats import BEATs
from zoo.training.compilation import made_fast
from zoo.training.precision import arithmetic


class _Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = BEATs(BEATs.sizes(**BEATs.tiny))

    def losses(self, features: Tensor) -> dict[str, Tensor]:
        return {"square": (self.encoder(features) * torch.arange(64)).square().mean()}


@pytest.mark.filterwarnings("ignore")  # torch's own, while it compiles
def test_compiled_layers_give_the_same_losses_and_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network, features, notes, compiled = _Network(), torch.randn(2, 64, 128), [], []
    real = nn.Module.compile

    def traced(module: nn.Module) -> None:
        compiled.append(module)
        real(module, backend="eager")  # the graph without a C++ compiler

    monkeypatch.setattr(nn.Module, "compile", traced)
    found = []
    names = list(network.state_dict())
    for how in (False, "auto", "layers"):
        losses = made_fast(network.losses, network, how, torch.device("cpu"), notes.append)
        assert len(compiled) == (2 if how == "layers" else 0)
        for _ in range(2):
            network.zero_grad()
            value = losses(features)["square"]
            value.backward()
        found.append([value.detach(), *(p.grad.clone() for p in network.parameters() if p.grad is not None)])
    for other in found[1:]:
        for right, value in zip(found[0], other, strict=True):
            torch.testing.assert_close(value, right)
    assert list(network.state_dict()) == names
    (note,) = notes
    assert note.startswith("layers compiled in ")


def test_a_network_without_an_encoder_has_no_layers_to_compile() -> None:
    losses = Mock()
    assert made_fast(losses, nn.Linear(2, 2), "layers", torch.device("cpu"), Mock()) is losses


def test_a_cpu_computes_in_float32_whatever_a_gpu_is_told() -> None:
    one = torch.ones(2, 2)
    before = torch.get_float32_matmul_precision()
    for precision in ("fp32", "tf32", "bf16"):
        with arithmetic(torch.device("cpu"), precision):
            assert (one @ one).dtype == torch.float32
            assert torch.get_float32_matmul_precision() == before


def test_a_gpu_computes_as_it_is_told() -> None:
    before, cuda = torch.get_float32_matmul_precision(), torch.device("cuda")
    with arithmetic(cuda, "tf32"):
        assert torch.get_float32_matmul_precision() == "high"
    assert torch.get_float32_matmul_precision() == before
    if torch.cuda.is_available():
        with arithmetic(cuda, "bf16"):
            assert (torch.ones(2, 2, device=cuda) @ torch.ones(2, 2, device=cuda)).dtype == torch.bfloat16
