"""Frozen matrices in bf16: near the plain path in bf16, and nothing that is kept knows of it."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from zoo.models._tuned import PretrainedNetwork
from zoo.networks import Network
from zoo.running.own_files import save_weights
from zoo.systems import load_system
from zoo.training.data import TrainingData
from zoo.training.devices import accelerator_for
from zoo.training.frozen import frozen_matrices, in_bf16
from zoo.training.hooks import Hooks
from zoo.training.loop import Trainer

CLIPS, STEPS = 12, 6
FIXED = [f"training.steps={STEPS}", "training.batch=4", "training.accumulation=2", "training.warm_up=0"]
BF16 = ["training.precision=bf16", "training.frozen_precision=bf16"]
TINY = ["beats_lora_tiny", "eat_lora_tiny", "beats_eat_tiny"]


def built(name: str, *settings: str) -> tuple[Network, Trainer, list[str], list[float]]:
    """A network, what trains it on noise, what it notes, and its loss after each step."""
    system = load_system(name, [*FIXED, *settings])
    network, labels = system.build_network(["a", "b"], 0), np.arange(CLIPS) % 2
    noise = 0.1 * torch.randn((CLIPS, 32000), generator=torch.Generator().manual_seed(0))
    assert isinstance(network, Network)
    assert system.config.training is not None

    def fetch(chosen: np.ndarray, _: object) -> tuple[Tensor, Tensor, Tensor]:
        return noise[chosen], torch.from_numpy(labels[chosen]), torch.full((len(chosen),), 32000)

    notes, losses = list[str](), list[float]()
    hooks = Hooks(note=notes.append, stepped=lambda taken: losses.append(taken.loss))
    data = TrainingData(fetch, labels, [str(number) for number in range(CLIPS)])
    return network, Trainer(network, data, system.config.training, 0, accelerator_for("cpu"), hooks), notes, losses


@pytest.mark.parametrize("name", TINY)
def test_losses_are_those_of_the_plain_path_to_the_accuracy_of_bf16(name: str) -> None:
    found = []
    for settings in (["training.precision=fp32"], BF16[:1], BF16):
        _, trainer, notes, losses = built(name, *settings)
        trainer.run()
        assert notes == []
        found.append(np.array(losses))
    single, plain, frozen = found
    assert len(frozen) == STEPS
    assert not np.array_equal(frozen, plain)
    np.testing.assert_allclose(frozen, plain, rtol=0.02)
    assert np.abs(frozen - single).max() < 2 * np.abs(plain - single).max() + 0.01  # as far from float32 as bf16 is anyway


@pytest.mark.parametrize("name", TINY)
def test_matrices_are_what_they_were_bit_by_bit(name: str) -> None:
    network, trainer, _, _ = built(name, *BF16)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    kinds: list[dict[str, torch.dtype]] = []
    trainer.optimizer.register_step_post_hook(
        lambda *_: kinds.append({key: value.dtype for key, value in network.state_dict().items()})
    )
    trainer.run()
    trained = {key for key, value in network.named_parameters() if value.requires_grad}
    for key, value in network.state_dict().items():
        assert value.dtype == before[key].dtype
        assert torch.equal(value, before[key]) == (key not in trained)
    half = {key for key, kind in kinds[0].items() if kind == torch.bfloat16}
    names = {
        key for key in before if "base_layer" in key or key.endswith(("fc1.weight", "fc1.bias", "fc2.weight", "k_proj.bias"))
    }
    assert names <= half
    assert not half & trained
    assert not any("norm" in key or "pos_conv" in key or "relative" in key for key in half)


def test_what_is_saved_has_the_same_form(tmp_path: Path) -> None:
    states: dict[str, Any] = {}
    for settings in (BF16[:1], BF16):
        network, trainer, _, _ = built("beats_lora_tiny", *settings)
        trainer.hooks.save_seconds = 0.0
        trainer.hooks.save = lambda state, own=settings[-1]: states.__setitem__(own, copy.deepcopy(state["network"]))
        trainer.run()
        save_weights(network, tmp_path / f"{len(settings)}.safetensors")
    plain, frozen = states[BF16[0]], states[BF16[1]]
    assert {name: (value.dtype, value.shape) for name, value in plain.items()} == {
        name: (value.dtype, value.shape) for name, value in frozen.items()
    }
    assert torch.equal(plain["base_sha256"], frozen["base_sha256"])
    again, _, _, _ = built("beats_lora_tiny")
    again.load_trained_state(frozen)
    assert (tmp_path / "1.safetensors").stat().st_size == (tmp_path / "2.safetensors").stat().st_size


@pytest.mark.parametrize("overlap", ["false", "true"])
def test_killed_and_resumed_equals_undisturbed(overlap: str) -> None:
    states: list[Any] = []
    settings = [*BF16, f"training.overlap={overlap}", "training.holdout=0.3", "training.validate_every=2", "training.average=2"]
    undisturbed, trainer, _, losses = built("beats_lora_tiny", *settings)
    trainer.hooks.save_seconds = 0.0
    trainer.hooks.save = lambda state: states.append(copy.deepcopy(state))
    trainer.run()
    for at in (0, 2, 4):
        resumed, trainer, _, rest = built("beats_lora_tiny", *settings)
        trainer.run(states[at])
        assert rest == losses[at + 1 :]
        pairs = zip(resumed.state_dict().values(), undisturbed.state_dict().values(), strict=True)
        assert all(torch.equal(value, wanted) for value, wanted in pairs)


@pytest.mark.filterwarnings("ignore")  # torch's own, while it compiles
def test_compiled_layers_see_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = torch.compile
    monkeypatch.setattr(torch, "compile", lambda it, **_: real(it, backend="eager"))
    torch._dynamo.reset()
    found = []
    for how in ("false", "layers"):
        _, trainer, notes, losses = built("beats_lora_tiny", *BF16, f"training.compile={how}")
        trainer.run()
        found.append(losses)
    assert notes[0].startswith("layers compiled in")
    assert found[0] == found[1]


def test_an_error_leaves_the_network_in_float32() -> None:
    network, _, _, _ = built("beats_lora_tiny")
    assert isinstance(network, PretrainedNetwork)

    def stopped() -> None:
        with in_bf16(network):
            assert all(matrix.weight.dtype == torch.bfloat16 for matrix in frozen_matrices(network))
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        stopped()
    assert len(frozen_matrices(network)) == 12
    assert all(value.dtype != torch.bfloat16 for value in network.state_dict().values())
    assert not any(module._forward_pre_hooks or "forward" in vars(module) for module in network.modules())


@pytest.mark.parametrize(
    ("name", "settings", "why"),
    [
        ("beats_lora_tiny", BF16[1:], "training is in float32 (training.precision)"),
        ("dual_branch_cnn_tiny", BF16, "nothing of the network is frozen"),
        ("beats_lora_tiny", [*BF16, "model.tuning.mode=full"], "nothing of the network is frozen"),
    ],
)
def test_where_it_changes_nothing_that_is_said(name: str, settings: list[str], why: str) -> None:
    network, trainer, notes, _ = built(name, *settings, "training.steps=1")
    assert isinstance(network, nn.Module)
    trainer.run()
    assert notes == [f"training.frozen_precision=bf16 changes nothing here: {why}"]
