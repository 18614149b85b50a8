"""Adapters: the published counts, what is trained and what is saved."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from tests.zoo.formula import waves
from zoo import registry
from zoo.config import ablation_paths, load_inherited, merged
from zoo.encoders import beats
from zoo.errors import AsdzooError
from zoo.layers.lora import Raised, Tuning, add_adapters, in_one_product, numbers, ranks
from zoo.models import beats_eat
from zoo.models.pretrained import Config, Pretrained, PretrainedNetwork, build
from zoo.networks import InputShape
from zoo.systems import load_system, system_of

SHAPE = InputShape(16000, 16000)
CLASSES_2024 = 148
SMALL = beats.Sizes(layers=2, width=32, heads=2, hidden=64, patch_width=16, position_kernel=8, position_groups=2)
PLAN = Tuning(matrices=("q", "v", "out"), rank=2, raised=Raised(matrices=("v",), layers="2", rank=3))
SMALL_BEATS = "model.beats.sizes={width: 32, heads: 2, hidden: 64, patch_width: 16, position_groups: 2}"
PRETRAINED = [name + size for name in ("beats_lora", "eat_lora", "beats_eat") for size in ("", "_tiny")]  # those of T24


def small(plan: Tuning = PLAN, seed: int = 0, **fields: Any) -> Pretrained:
    torch.manual_seed(seed)
    return build(Config(encoder="beats", sizes=SMALL.model_dump(), init="random", tuning=plan, **fields), SHAPE, 3)


def shaken(network: PretrainedNetwork, seed: int = 1) -> None:
    """Give the trainable part other values: fresh adapters are zero maps."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.requires_grad:
                parameter.add_(0.2 * torch.randn_like(parameter))


def trainable(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def of_system(name: str) -> PretrainedNetwork:
    """The network of a shipped system, on the meta device: sizes without weights."""
    system = load_system(
        name, ["model.init=random"] if name != "beats_eat" else ["model.beats.init=random", "model.eat.init=random"]
    )
    with torch.device("meta"):
        network = registry.module("model", system.config.model["name"]).build(system.network_config, system.shape, CLASSES_2024)
    assert isinstance(network, PretrainedNetwork)
    return network


def test_eat_has_the_papers_number_of_adapters() -> None:
    network = of_system("eat_lora")
    assert trainable(network.get_submodule("encoder")) == 11_796_480 == 11.25 * 2**20


def test_beats_has_the_papers_number_of_parameters() -> None:
    network = of_system("beats_lora")
    assert trainable(network.get_submodule("encoder")) == 3_833_856
    assert f"{trainable(network) / 2**20:.2f}" == "3.73"


def test_both_have_what_each_has() -> None:
    network = of_system("beats_eat")
    assert trainable(network.get_submodule("beats")) == trainable(of_system("beats_lora"))
    assert trainable(network.get_submodule("eat")) == trainable(of_system("eat_lora"))
    assert trainable(network.get_submodule("head")) == CLASSES_2024 * (80 + 768)


def test_ranks_follow_the_plan() -> None:
    plan = Tuning(matrices=("q", "v"), layers="1, 3-4", rank=8, raised=Raised(matrices=("v",), layers="3-4", rank=12))
    found = ranks(plan, "encoder.layers", 4, beats.BEATs.matrices)
    assert found == {
        "encoder.layers.0.self_attn.q_proj": 8,
        "encoder.layers.0.self_attn.v_proj": 8,
        "encoder.layers.2.self_attn.q_proj": 8,
        "encoder.layers.2.self_attn.v_proj": 12,
        "encoder.layers.3.self_attn.q_proj": 8,
        "encoder.layers.3.self_attn.v_proj": 12,
    }


def test_ranks_and_scales_arrive_in_the_network() -> None:
    network = small(PLAN.model_copy(update={"alpha": 2.0}))
    shapes = {name: tuple(value.shape) for name, value in network.named_parameters() if "lora_A" in name}
    suffix = "lora_A.default.weight"
    assert len(shapes) == 6
    assert shapes[f"encoder.encoder.layers.0.self_attn.v_proj.{suffix}"] == (2, 32)
    assert shapes[f"encoder.encoder.layers.1.self_attn.v_proj.{suffix}"] == (3, 32)
    assert shapes[f"encoder.encoder.layers.1.self_attn.q_proj.{suffix}"] == (2, 32)
    scales = [module.scaling["default"] for module in network.modules() if hasattr(module, "lora_A")]
    assert scales == [2.0] * 6


def test_twelve_layers_are_not_mixed_up() -> None:
    config = beats.Sizes(**{**SMALL.model_dump(), "layers": 12})
    with torch.device("meta"):
        encoder = beats.BEATs(config)
        plan = Tuning(matrices=("v",), rank=2, raised=Raised(layers="1", rank=5))
        add_adapters(encoder, plan, ranks(plan, "encoder.layers", 12, encoder.matrices))
    found = [len(value) for name, value in encoder.named_parameters() if "lora_A" in name]
    assert found == [5] + [2] * 11


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (Tuning(matrices=("q", "w")), "unknown matrix 'w'"),
        (Tuning(layers="1-3"), "names layers 1-3, the encoder has 1-2"),
        (Tuning(layers="0"), "names layers 0, the encoder has 1-2"),
        (Tuning(raised=Raised(layers="2-3", rank=2)), "names layers 2-3, the encoder has 1-2"),
        (Tuning(matrices=()), "adapts nothing"),
        (Tuning(raised=Raised(matrices=("x",), rank=2)), "unknown matrix 'x'"),
    ],
)
def test_a_plan_that_does_not_fit_is_refused(plan: Tuning, message: str) -> None:
    with pytest.raises(AsdzooError, match=message):
        small(plan)


@pytest.mark.parametrize("layers", ["a", "1-", "1--3", "", "-4"])
def test_layers_must_be_numbers_and_ranges(layers: str) -> None:
    with pytest.raises(ValueError, match="numbers and ranges"):
        Tuning(layers=layers)
    assert numbers("2") == [2]


def test_fresh_adapters_change_nothing() -> None:
    wave = waves(1)
    network, plain = small().eval(), small(Tuning(mode="frozen")).eval()
    fbank, _ = plain.encoder.features(wave)
    torch.testing.assert_close(network.encoder(fbank), plain.encoder(fbank))


@pytest.mark.parametrize("name", ["beats", "eat", "wavlm", "whisper_encoder"])
def test_an_adapter_in_one_product_gives_the_same(name: str) -> None:
    kind = registry.module("encoder", name).ENCODER
    plan, wave = Tuning(rank=3, alpha=1.5), torch.cat([waves(1), waves(1, "other")])
    torch.manual_seed(0)
    network = build(Config(encoder=name, sizes=dict(kind.tiny), init="random", tuning=plan), SHAPE, 3).eval()
    shaken(network)
    names = list(network.state_dict())
    adapters = {name: value for name, value in network.named_parameters() if "lora_" in name}

    def found() -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        loss = network.losses(wave, torch.tensor([0, 2]))["arcface"]
        return network(wave).detach(), torch.autograd.grad(loss, list(adapters.values()))

    plain = found()
    with in_one_product(network.encoder):
        assert list(network.state_dict()) == names
        at_once = found()
    assert not torch.equal(plain[0], at_once[0])  # another order of sums
    torch.testing.assert_close(at_once[0], plain[0], rtol=1e-5, atol=1e-6)
    for name, gradient, wanted in zip(adapters, at_once[1], plain[1], strict=True):
        torch.testing.assert_close(gradient, wanted, rtol=1e-4, atol=1e-6, msg=name)
    assert all(map(torch.equal, found()[1], plain[1]))  # afterwards as before


@given(
    st.integers(1, 5),
    st.sampled_from([(3,), (2, 4), (1, 2, 3)]),
    st.floats(0.125, 8, width=32),
    st.booleans(),
    st.integers(0, 99),
)
@settings(deadline=None, max_examples=40)
def test_the_product_is_that_of_the_formula(rank: int, batch: tuple[int, ...], alpha: float, bias: bool, seed: int) -> None:
    torch.manual_seed(seed)
    module = torch.nn.Sequential(torch.nn.Linear(6, 7, bias=bias))
    add_adapters(module, Tuning(rank=rank, alpha=alpha), {"0": rank})
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_()
    values = {name: value.detach().double().requires_grad_("lora" in name) for name, value in module.named_parameters()}
    x = torch.randn(*batch, 6, requires_grad=True)
    double = x.detach().double().requires_grad_()
    offset = values["0.base_layer.bias"] if bias else 0.0
    down, up = values["0.lora_A.default.weight"], values["0.lora_B.default.weight"]
    expected = double @ values["0.base_layer.weight"].T + offset + alpha * (double @ down.T) @ up.T
    with in_one_product(module):
        found = module(x)
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)
    weights = torch.randn(found.shape)
    trained = [value for name, value in module.named_parameters() if "lora" in name]
    for gradient, wanted in zip(
        torch.autograd.grad((found * weights).sum(), [x, *trained]),
        torch.autograd.grad((expected * weights).sum(), [double, down, up]),
        strict=True,
    ):
        torch.testing.assert_close(gradient.double(), wanted, rtol=1e-4, atol=1e-4)


def test_only_adapters_pooling_and_head_are_trained() -> None:
    network = small(projection=8, pooling="attentive_statistics")
    names = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert all("lora_" in name or name.startswith(("pooling.", "projection.", "head.")) for name in names)
    network.train()
    sum(network.losses(waves(1), torch.tensor([1])).values()).backward()
    assert {name for name, parameter in network.named_parameters() if parameter.grad is not None} == names


def test_full_and_frozen() -> None:
    assert trainable(small(Tuning(mode="full")).encoder) == sum(
        value.numel() for value in small(Tuning(mode="full")).encoder.parameters()
    )
    assert trainable(small(Tuning(mode="frozen")).encoder) == 0
    assert "base_sha256" not in small(Tuning(mode="full")).trained_state()


@pytest.mark.parametrize("mode", ["lora", "full", "frozen"])
def test_what_was_trained_is_saved_and_put_back(mode: Any, tmp_path: Path) -> None:
    plan = PLAN.model_copy(update={"mode": mode})
    network, wave = small(plan, projection=8).eval(), waves(1)
    shaken(network)
    save_file(network.trained_state(), tmp_path / "state.safetensors")
    again = small(plan, projection=8).eval()
    assert not torch.allclose(again(wave), network(wave))
    again.load_trained_state(load_file(tmp_path / "state.safetensors"))
    assert torch.equal(again(wave), network(wave))
    assert torch.equal(again.head.centers, network.head.centers)


def test_the_base_is_not_saved() -> None:
    state = small(projection=8).trained_state()
    assert {name.split(".")[-2] for name in state if "lora" in name} == {"lora_A", "lora_B"}
    assert {name for name in state if "lora" not in name} == {"projection.weight", "head.centers", "base_sha256"}


def test_adapters_are_refused_on_another_base() -> None:
    state = small(seed=0).trained_state()
    with pytest.raises(AsdzooError, match="another base") as caught:
        small(seed=1).load_trained_state(state)
    assert "model.weights" in caught.value.hint


def test_a_base_that_changed_by_one_bit_is_another_base() -> None:
    network = small()
    state = network.trained_state()
    changed = small()
    with torch.no_grad():
        changed.encoder.get_parameter("encoder.layers.1.fc1.weight")[3, 5] += 1e-6
    with pytest.raises(AsdzooError, match="another base"):
        changed.load_trained_state(state)


def test_the_checksum_is_of_the_base_alone() -> None:
    assert small().base_checksum() == small(Tuning(mode="frozen")).base_checksum()
    network = small()
    shaken(network)
    assert network.base_checksum() == small().base_checksum()


def test_a_state_of_another_plan_is_refused() -> None:
    network = small()
    with pytest.raises(AsdzooError, match="does not fit the network"):
        network.load_trained_state(small(Tuning(matrices=("q",), rank=2)).trained_state())
    with pytest.raises(AsdzooError, match="other shapes"):
        network.load_trained_state(small(PLAN.model_copy(update={"rank": 4})).trained_state())


def test_both_branches_are_joined_with_equal_weight() -> None:
    network = load_system("beats_eat_tiny").build_network([""] * 3, 0).eval()
    assert isinstance(network, beats_eat.BEATsEAT)
    wave = torch.cat([waves(1), waves(1, "other")])
    embeddings = network(wave)
    assert embeddings.shape == (2, network.dim)
    torch.testing.assert_close(embeddings[:, :16].norm(dim=1), torch.ones(2))
    torch.testing.assert_close(embeddings[:, 16:].norm(dim=1), torch.ones(2))
    losses = network.losses(wave, torch.tensor([0, 2]))
    assert list(losses) == ["beats", "eat", "whole"]
    assert network.untrained


@pytest.mark.parametrize("name", PRETRAINED)
def test_shipped_systems(name: str) -> None:
    system = load_system(name)
    assert system.config.training.steps * system.config.training.batch * system.config.training.accumulation in (400_000, 640)
    if name.endswith("_tiny"):
        network = system.build_network([""] * 3, 0)
        assert network.untrained
        assert 0 < trainable(network) < 100_000


def test_a_missing_checkpoint_is_said_with_the_next_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(AsdzooError, match=r"beats_iter3 are not here \(361 MB, licence MIT\)") as caught:
        load_system("beats_lora").build_network([""] * 3, 0)
    assert caught.value.hint.startswith("asdzoo weights fetch beats_iter3")
    with pytest.raises(AsdzooError, match=r"eat_base are not here \(360 MB, licence MIT\)") as caught:
        load_system("beats_eat", ["model.beats.init=random", SMALL_BEATS]).build_network([""] * 3, 0)
    assert caught.value.hint.endswith("--set model.eat.weights=FILE; or, for a dry run, --set model.eat.init=random")


# The sum of ranks over the adapted matrices of each ablation of the LoRA paper; one is rank x (768 in + 768 out) parameters.
PAPER_RANKS = (
    {"lora": 12 * 2 * 64}
    | {f"lora_rank_{rank}": 12 * 2 * rank for rank in (4, 8, 16, 32, 64, 128)}
    | {f"lora_matrices_{names}": 12 * len(names) * 64 for names in ("q", "k", "v", "qk", "qv", "kv", "qkv")}
    | {f"lora_layers_{layers}": 4 * 2 * 64 for layers in ("1-4", "5-8", "9-12")}
    | {f"lora_layers_{layers}": 8 * 2 * 64 for layers in ("1-8", "5-12", "1-4_9-12")}
    | {"lora_plan_v": 12 * (64 + 96), "lora_plan_later": 6 * 2 * (64 + 96), "lora_plan_later_v": 6 * (64 + 64 + 64 + 96)}
)


ABLATIONS = {name: path for name, path in ablation_paths().items() if name.startswith("lora")}


def test_every_ablation_of_the_paper_is_there() -> None:
    assert ABLATIONS.keys() == {*PAPER_RANKS, "lora_full", "lora_frozen"}


@pytest.mark.parametrize("path", ABLATIONS.values(), ids=ABLATIONS.keys())
def test_ablations_are_systems(path: Path) -> None:
    system = system_of(path.stem, load_inherited(path), str(path))
    config = system.network_config
    assert isinstance(config, Config)
    with torch.device("meta"):
        network = build(config.model_copy(update={"init": "random"}), system.shape, CLASSES_2024)
    adapters = trainable(network.encoder)
    table = {"lora_full": sum(value.numel() for value in network.encoder.parameters()), "lora_frozen": 0}
    assert adapters == (table[path.stem] if path.stem in table else 2 * 768 * PAPER_RANKS[path.stem])
    assert system.config.description


def test_bases() -> None:
    assert merged({"a": 1}, {"b": {"c": 2}}) == {"a": 1, "b": {"c": 2}}


def test_an_unknown_base_and_a_circle_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("base: beats_lore\n")
    with pytest.raises(AsdzooError, match="unknown base 'beats_lore' \\(did you mean beats_lora"):
        load_inherited(path)
    (tmp_path / "ablations").mkdir()
    (tmp_path / "ablations" / "a.yaml").write_text("base: b\n")
    (tmp_path / "ablations" / "b.yaml").write_text("base: a\n")
    monkeypatch.setattr("zoo.config.shipped_configs", lambda: tmp_path)
    with pytest.raises(AsdzooError, match="circle"):
        load_inherited(tmp_path / "ablations" / "a.yaml")
