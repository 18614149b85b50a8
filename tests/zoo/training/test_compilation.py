"""Compiled layers give the same numbers, a compiler that fails costs a line, and on a CPU nothing is compiled unasked."""

from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.backends.common import aot_autograd
from torch._inductor.exc import InductorError

from zoo.encoders.beats import BEATs
from zoo.networks import Network
from zoo.systems import load_system
from zoo.training.compilation import made_fast
from zoo.training.data import TrainingData
from zoo.training.devices import accelerator_for
from zoo.training.hooks import Hooks
from zoo.training.loop import Trainer
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
        with torch.no_grad():
            losses(features)
        assert notes == []  # it is the graphs of training that take their time
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
    losses, note = Mock(return_value={}), Mock()
    fast = made_fast(losses, nn.Linear(2, 2), "layers", torch.device("cpu"), note)
    assert fast() == {}
    note.assert_not_called()
    assert not fast.give_up(torch._dynamo.exc.TorchDynamoException())  # there was no compiler


def _broken(*_: object) -> Any:
    """As inductor raises what goes wrong while it compiles."""
    raise InductorError(RuntimeError("No working C++\ncompiler found"), None)


BROKEN = {
    "in the forward pass": _broken,
    "in the backward pass": aot_autograd(fw_compiler=lambda graph, _: graph.forward, bw_compiler=_broken),
}


def _trained(settings: list[str], waves: Callable[[np.ndarray], Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """What is trained of a small BEATs, and what was noted."""
    system = load_system("beats_lora_tiny", ["training.steps=4", "training.batch=4", "training.holdout=0.25", *settings])
    network, notes, labels = system.build_network(["a", "b"], 0), list[str](), np.arange(12) % 2
    assert isinstance(network, Network)
    assert system.config.training is not None
    data = TrainingData(
        lambda chosen, _: (waves(chosen), torch.from_numpy(labels[chosen]), torch.full((len(chosen),), 32000)),
        labels,
        [str(number) for number in range(12)],
    )
    Trainer(network, data, system.config.training, 0, accelerator_for("cpu"), Hooks(note=notes.append)).run()
    return network.trained_state(), notes


@pytest.mark.filterwarnings("ignore")  # torch's own, while it compiles
@pytest.mark.parametrize(("how", "where"), [("true", "in the forward pass"), *(("layers", where) for where in BROKEN)])
def test_a_compiler_that_fails_costs_a_line_and_changes_nothing(how: str, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = 0.1 * torch.randn((12, 32000), generator=torch.Generator().manual_seed(0))
    plain, silence = _trained([], lambda chosen: noise[chosen])
    assert silence == []
    real = torch.compile
    monkeypatch.setattr(torch, "compile", lambda it, **_: real(it, backend=BROKEN[where]))  # modules come here too
    torch._dynamo.reset()
    found, notes = _trained([f"training.compile={how}"], lambda chosen: noise[chosen])
    assert found.keys() == plain.keys()
    assert all(torch.equal(found[name], plain[name]) for name in plain)
    (note,) = [note for note in notes if not note.startswith("layers compiled in")]
    assert note.startswith("torch.compile does not work here, going on without it (training.compile=false): ")
    assert "No working C++ compiler found" in note
    assert "\n" not in note


@pytest.mark.filterwarnings("ignore")  # torch's own, while it compiles
def test_without_a_cxx_compiler_training_goes_on() -> None:
    noise = 0.1 * torch.randn((12, 32000), generator=torch.Generator().manual_seed(0))
    torch._dynamo.reset()
    with torch._inductor.config.patch({"cpp.cxx": ("/no/such/compiler",), "force_disable_caches": True}):
        _, notes = _trained(["training.compile=layers", "training.steps=1"], lambda chosen: noise[chosen])
    (note,) = notes
    assert "going on without it (training.compile=false): InvalidCxxCompiler" in note
    assert "TORCHDYNAMO" not in note


@pytest.mark.parametrize(
    ("device", "compilers", "named", "compiles"),
    [
        ("cuda", {"gcc"}, "", True),
        ("cuda", {"clang"}, "", True),
        ("cuda", set(), "/opt/cc", True),  # CC
        ("cuda", {"cc"}, "", False),  # Triton does not look for that
        ("cpu", {"gcc"}, "", False),
    ],
)
def test_auto_compiles_where_triton_can(
    device: str, compilers: set[str], named: str, compiles: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[nn.Module] = []
    monkeypatch.setattr(nn.Module, "compile", lambda module: compiled.append(module))
    monkeypatch.setattr("shutil.which", lambda name: name if name in compilers else None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name == "triton")
    monkeypatch.setenv("CC", named)
    network = _Network()
    made_fast(network.losses, network, "auto", torch.device(device), Mock())
    assert len(compiled) == (2 if compiles else 0)


@pytest.mark.filterwarnings("ignore")  # torch's own, while it compiles
def test_what_is_not_a_compilers_fault_ends_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    real = nn.Module.compile
    monkeypatch.setattr(nn.Module, "compile", lambda module: real(module, backend="eager"))

    def unreadable(_: object) -> Tensor:
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        _trained(["training.compile=layers"], unreadable)


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
