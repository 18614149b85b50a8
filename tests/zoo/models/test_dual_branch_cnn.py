"""The dual-branch CNN: the sizes the papers give, attention along the named axes, and behaviour at the edges."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor, nn
from torch.nn import functional as F

from zoo import registry
from zoo.config import ablation_paths, shipped_configs
from zoo.errors import AsdzooError
from zoo.layers.attention import AxialAttention
from zoo.losses.arcface import Config as ArcFaceConfig
from zoo.models.dual_branch_cnn import Config, Convolution, DualBranchCNN, build
from zoo.networks import InputShape
from zoo.systems import load_system

SMALL = Config(dim=8, width=8, dense_layers=1, spectrum_heads=(2, 2, 2), channels=(4, 8), units=1)
SECOND = 16000


def network(config: Config = SMALL, seconds: float = 1.0, classes: int = 5, seed: int = 0) -> DualBranchCNN:
    torch.manual_seed(seed)
    return build(config, InputShape(SECOND, int(seconds * SECOND)), classes)


def waves(batch: int = 4, seconds: float = 1.0, seed: int = 1) -> Tensor:
    return torch.randn(batch, int(seconds * SECOND), generator=torch.Generator().manual_seed(seed)) * 0.1


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_it_has_the_papers_number_of_parameters() -> None:
    full = network(Config(), seconds=10, classes=148)
    assert parameters(full) == pytest.approx(2.75e6, rel=0.03)
    attention = parameters(full.spectrum.attention)
    assert parameters(full.spectrum) - attention == pytest.approx(1.57e6, rel=0.01)
    assert attention == 2 * 4 * 128 * 128 + 4 * 10 * 10
    assert parameters(full.spectrogram) == pytest.approx(0.96e6, rel=0.01)
    assert parameters(full.heads) == 512 * 148
    assert (
        parameters(full) - sum(p.numel() for p in full.parameters() if p.requires_grad) == 512 * 148
    )  # W23: centres are fixed


@pytest.mark.parametrize("name", ["dual_branch_cnn", "dual_branch_cnn_tiny"])
def test_the_shipped_systems_build(name: str) -> None:
    system = yaml.safe_load((shipped_configs() / "systems" / f"{name}.yaml").read_text())
    assert system["model"].pop("name") in registry.names("model")
    config = Config(**system["model"])
    if name == "dual_branch_cnn":
        assert config == Config()
    assert network(config, system["input"]["seconds"])(waves(2, system["input"]["seconds"])).shape == (2, 2 * config.dim)


SWITCHES = [path for path in sorted(ablation_paths()) if path.startswith("wilkinghoff_2023_")]


def test_the_system_of_w23_has_one_loss_and_no_attention() -> None:
    net = load_system("wilkinghoff_2023").build_network(["a", "b", "c"], seed=0)
    assert isinstance(net, DualBranchCNN)
    assert list(net.heads) == ["whole"]
    heads = 16 * 3 * 256
    assert parameters(net) - heads == pytest.approx(1.57e6 + 0.96e6, rel=0.01)  # as [T24] counts the branches
    assert not any("bias" in name for name, _ in net.named_parameters())


@pytest.mark.parametrize("name", SWITCHES)
def test_every_row_of_w23_is_what_its_name_says(name: str) -> None:
    whole, row = load_system("wilkinghoff_2023"), load_system(name)
    sizes = {"model.dim": 8, "model.width": 8, "model.channels": [4, 8], "model.units": 1, "input.seconds": 1.0}
    settings = [f"{key}={value}" for key, value in sizes.items()]
    net = load_system(name, settings).build_network(["a", "b"], seed=0)
    assert isinstance(net, DualBranchCNN)
    losses = net.train().losses(waves(6), torch.arange(6) % 2)
    torch.stack(list(losses.values())).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters() if p.requires_grad)
    assert net.eval()(waves(2)).shape == (2, net.dim)
    short = name.removeprefix("wilkinghoff_2023_")
    if short == "adaproj":
        assert type(net.heads["whole"]).__name__ == "AdaProj"
    assert any(module.bias is not None for module in net.modules() if isinstance(module, nn.Conv2d | nn.Linear)) == (
        short in ("bias", "trainable_bias", "standard")
    )
    assert net.heads.get_parameter(f"{next(iter(losses))}.centers").requires_grad == (
        short in ("trainable", "trainable_bias", "standard")
    )
    branches = {"spectrum": ["spectrum"], "spectrogram": ["spectrogram"], "log_mel": ["log_mel"], "standard": ["log_mel"]}
    assert net.branches == branches.get(short, ["spectrum", "spectrogram"])
    assert list(losses) == (["spectrum", "spectrogram"] if short == "joined_later" else ["whole"])
    assert net.dim == 8 * (1 if short == "sum" else len(net.branches))
    same_training = whole.config.training == row.config.training and whole.config.augment == row.config.augment
    assert same_training


def test_the_sum_is_the_sum_of_the_branches() -> None:
    net = network(SMALL.model_copy(update={"joined": "sum"})).eval()
    parts = net.embeddings(waves())
    assert torch.equal(parts["whole"], parts["spectrum"] + parts["spectrogram"])


def test_without_temporal_normalisation_a_steady_tone_is_seen() -> None:
    seen: list[Tensor] = []
    for config in (SMALL, SMALL.model_copy(update={"temporal_normalization": False})):
        net = network(config).eval()
        net.spectrogram.stem.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        net(torch.randn(512, generator=torch.Generator().manual_seed(0)).repeat(31)[None, :SECOND].repeat(1, 2)[:, :SECOND])
    steady, kept = (each[:, :, :25].abs().max() for each in seen)
    assert kept > 20 * steady


def test_a_bias_is_added_after_the_blocks_of_a_convolution() -> None:
    torch.manual_seed(0)
    layer, features = Convolution(3, 5, 16, 4, bias=True), torch.randn(2, 40, 3)
    assert layer.bias is not None
    padded = F.pad(features.mT, (6, 6))
    expected = F.conv1d(padded, layer.weight[:, :, 0], layer.bias, stride=4).mT
    torch.testing.assert_close(layer(features), expected, rtol=1e-4, atol=1e-5)


def test_it_has_no_bias_terms_and_no_activation_but_relu() -> None:
    assert [name for name, _ in network().named_parameters() if "bias" in name] == []
    for module in network().modules():
        assert getattr(module, "bias", None) is None
        assert not isinstance(module, nn.GELU | nn.SiLU | nn.LeakyReLU | nn.Tanh | nn.Sigmoid)
    shifted = [name for name, _ in network(Config(batch_norm_shift=True)).named_parameters() if "bias" in name]
    assert shifted
    assert all("norm" in name or name.split(".")[-2].isdigit() for name in shifted)


@pytest.mark.parametrize("seconds", [0.2, 1, 2, 5, 10, 12])
def test_any_length_of_clip_works(seconds: float) -> None:
    net = network(seconds=seconds).train()
    losses = net.losses(waves(2, seconds), torch.tensor([0, 1]))
    assert list(losses) == ["spectrum", "spectrogram", "whole"]
    assert all(loss.shape == () and loss.isfinite() for loss in losses.values())
    assert net.eval()(waves(2, seconds)).shape == (2, net.dim)


@pytest.mark.parametrize(("samples", "said"), [(None, "one length"), (3000, "too short")])
def test_clips_without_a_length_or_too_short_are_refused(samples: int | None, said: str) -> None:
    with pytest.raises(AsdzooError, match=said) as caught:
        build(SMALL, InputShape(SECOND, samples), 3)
    assert "input.seconds" in caught.value.hint


def test_the_embedding_is_the_two_branches_side_by_side() -> None:
    net = network().eval()
    parts = net.embeddings(waves())
    assert torch.equal(parts["whole"], torch.cat([parts["spectrum"], parts["spectrogram"]], dim=1))
    assert torch.equal(net(waves()), parts["whole"])
    assert torch.equal(net.spectrum(waves()), parts["spectrum"])


def test_every_parameter_that_is_trained_gets_a_gradient() -> None:
    net = network(Config(dim=8, width=8, channels=(4, 8, 16), loss=ArcFaceConfig(trainable=True))).train()
    sum(net.losses(waves(8), torch.arange(8) % 5).values(), torch.zeros(())).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_each_loss_trains_its_own_branch_and_the_whole_trains_both() -> None:
    for name, trained in (("spectrum", {"spectrum"}), ("spectrogram", {"spectrogram"}), ("whole", {"spectrum", "spectrogram"})):
        net = network().train()
        net.losses(waves(), torch.arange(4))[name].backward()
        assert {key.split(".")[0] for key, value in net.named_parameters() if value.grad is not None} == trained


def test_a_few_steps_learn_to_tell_two_tones_apart() -> None:
    net = network(classes=2)
    time = torch.arange(SECOND) / SECOND
    labels = torch.arange(8) % 2
    tones = torch.stack([torch.sin(2 * torch.pi * (600 + 900 * label) * time) for label in labels]) * 0.1 + waves(8) * 0.1
    optimizer = torch.optim.AdamW([p for p in net.parameters() if p.requires_grad], 5e-3)
    totals = []
    for _ in range(25):
        total = torch.stack(list(net.losses(tones, labels).values())).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(total.item())
    assert totals[-1] < 0.2 * totals[0]


def test_the_same_seed_gives_the_same_network_and_losses() -> None:
    first, second = (network(seed=7).train().losses(waves(), torch.arange(4)) for _ in range(2))
    assert {name: loss.item() for name, loss in first.items()} == {name: loss.item() for name, loss in second.items()}
    assert not torch.equal(network(seed=8)(waves()), network(seed=7)(waves()))


def test_in_eval_mode_a_clip_has_one_embedding_whatever_is_beside_it() -> None:
    net = network().train()
    net(waves(8))
    net.eval()
    together = net(waves(4))
    assert torch.equal(together, net(waves(4)))
    torch.testing.assert_close(net(waves(4)[2:3]), together[2:3], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("clip", ["silence", "full scale square", "click"])
@pytest.mark.parametrize("training", [True, False])
def test_extreme_clips_give_finite_embeddings_losses_and_gradients(clip: str, training: bool) -> None:
    wave = torch.zeros(SECOND)
    if clip == "full scale square":
        wave = torch.where(torch.arange(SECOND) // 20 % 2 == 0, 1.0, -1.0)
    elif clip == "click":
        wave[100] = 1.0
    net = network().train(training)
    batch = wave.expand(4, -1)
    assert net(batch).isfinite().all()
    torch.stack(list(net.losses(batch, torch.arange(4)).values())).sum().backward()
    assert all(p.grad.isfinite().all() for p in net.parameters() if p.grad is not None)


def test_in_bf16_autocast_embeddings_are_float32_and_close() -> None:
    net = network().eval()
    with torch.autocast("cpu", torch.bfloat16):
        inside = net(waves())
        losses = net.losses(waves(), torch.arange(4))
    assert inside.dtype == torch.float32
    assert all(loss.dtype == torch.float32 and loss.isfinite() for loss in losses.values())
    assert F.cosine_similarity(inside, net(waves())).min() > 0.98


def test_a_steady_tone_reaches_the_spectrogram_branch_as_nothing() -> None:
    """Temporal mean normalisation: a periodic sound of one frame's period has the same magnitudes in all frames."""
    seen: list[Tensor] = []
    net = network().eval()
    net.spectrogram.stem.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    period = torch.randn(512) * 0.1
    net(period.repeat(31)[None, :SECOND].repeat(1, 2)[:, :SECOND])
    steady = seen[0][:, :, :25].abs().max()
    net(waves(1))
    assert steady < 0.05 * seen[1].abs().max()


@pytest.mark.parametrize(("inputs", "kernel", "stride"), [(1, 16, 4), (3, 16, 4), (3, 8, 8), (3, 7, 3)])
@pytest.mark.parametrize("positions", [1, 7, 40, 41])
def test_convolution_is_a_conv1d_padded_to_the_ceiling(inputs: int, kernel: int, stride: int, positions: int) -> None:
    torch.manual_seed(0)
    layer = Convolution(inputs, 5, kernel, stride)
    features = torch.randn(2, positions, inputs, requires_grad=True)
    count = -(-positions // stride)
    missing = (count - 1) * stride + kernel - positions
    padded = F.pad(features.mT, (missing // 2, missing - missing // 2))
    expected = F.conv1d(padded, layer.weight[:, :, 0], stride=stride).mT
    assert expected.shape == (2, count, 5)
    torch.testing.assert_close(layer(features), expected, rtol=1e-4, atol=1e-5)
    seeds = torch.randn_like(expected)
    sources = [features, layer.weight]
    found = torch.autograd.grad(layer(features), sources, seeds)
    for gradient, wanted in zip(found, torch.autograd.grad(expected, sources, seeds), strict=True):
        torch.testing.assert_close(gradient, wanted, rtol=1e-4, atol=1e-5)


def softmax_attention(features: np.ndarray, layer: AxialAttention) -> np.ndarray:
    """Attention of one sequence (tokens, dim), head by head, in float64."""
    if layer.input is not None and layer.output is not None:
        query, key, value = np.split(features @ layer.input.weight.detach().double().numpy().T, 3, axis=1)
    else:
        query = key = value = features
    heads = []
    for q, k, v in zip(*(np.split(part, layer.heads, axis=1) for part in (query, key, value)), strict=True):
        q, k = (each / np.sqrt((each**2).mean(1, keepdims=True)) for each in (q, k))
        logits = q @ k.T / np.sqrt(q.shape[1])
        weights = np.exp(logits - logits.max(1, keepdims=True))
        heads.append(weights / weights.sum(1, keepdims=True) @ v)
    mixed = np.concatenate(heads, axis=1)
    return mixed if layer.output is None else mixed @ layer.output.weight.detach().double().numpy().T


@pytest.mark.parametrize(("dim", "heads", "projections"), [(8, 4, True), (5, 2, True), (8, 2, False)])
def test_attention_equals_its_definition(dim: int, heads: int, projections: bool) -> None:
    torch.manual_seed(0)
    layer = AxialAttention(dim, heads, projections=projections)
    for weight in layer.parameters():
        nn.init.normal_(weight)  # as it starts, keys are queries
    features = torch.randn(3, 7, dim)
    expected = np.stack([softmax_attention(sequence, layer) for sequence in features.double().numpy()])
    np.testing.assert_allclose(layer(features).detach().numpy(), expected, atol=1e-5)


@pytest.mark.parametrize(("dim", "heads"), [(8, 4), (5, 2), (128, 4)])
def test_attention_starts_as_a_mean_of_the_tokens(dim: int, heads: int) -> None:
    layer = AxialAttention(dim, heads, projections=True)
    alike = torch.randn(3, 1, dim).expand(3, 7, dim)
    torch.testing.assert_close(layer(alike), alike, rtol=1e-4, atol=1e-5)


def test_in_that_mean_a_token_comes_first_itself() -> None:
    torch.manual_seed(0)
    features = torch.randn(3, 7, 128)
    distances = torch.cdist(AxialAttention(128, 4, projections=True)(features), features)
    assert torch.equal(distances.argmin(2), torch.arange(7).expand(3, 7))


def test_attention_does_not_depend_on_the_level_of_its_input() -> None:
    layer = AxialAttention(8, 2, projections=False)
    features = torch.randn(3, 7, 8)
    torch.testing.assert_close(layer(1e4 * features), 1e4 * layer(features), rtol=1e-3, atol=1.0)


def test_attention_needs_a_multiple_of_heads_only_without_projections() -> None:
    assert parameters(AxialAttention(10, 2, projections=True)) == 4 * 10 * 10
    assert parameters(AxialAttention(10, 2, projections=False)) == 0


@pytest.mark.parametrize("axis", ["frequency", "time"])
def test_spectrogram_attention_runs_along_its_axis(axis: str) -> None:
    """Permuting the other axes permutes the output, and a change at one place reaches only the places along the axis."""
    torch.manual_seed(0)
    layer = network(Config()).spectrogram.attention[0 if axis == "frequency" else 1]

    def along(features: Tensor) -> Tensor:  # (batch, frames, bins, channels)
        return layer(features) if axis == "frequency" else layer(features.transpose(1, 2)).transpose(1, 2)

    features = torch.randn(3, 5, 6, 128)
    other = 1 if axis == "frequency" else 2
    order = torch.randperm(features.shape[other])
    torch.testing.assert_close(along(features.index_select(other, order)), along(features).index_select(other, order))
    torch.testing.assert_close(along(features.flip(0)), along(features).flip(0))
    changed = features.clone()
    changed[0, 2, 3] += 1.0
    reached = (along(changed) - along(features)).abs().sum(-1) > 1e-6
    expected = torch.zeros(3, 5, 6, dtype=torch.bool)
    if axis == "frequency":
        expected[0, 2, :] = True
    else:
        expected[0, :, 3] = True
    assert torch.equal(reached, expected)


def test_the_attention_layers_have_the_papers_axes_and_heads() -> None:
    net = network(Config(), seconds=10)
    seen: dict[str, tuple[int, ...]] = {}

    def watch(name: str) -> Callable[[nn.Module, tuple[Tensor], Tensor], None]:
        def hook(layer: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
            seen[name] = (*inputs[0].shape[1:], layer.heads)  # type: ignore[arg-type]

        return hook

    for name, layer in net.named_modules():
        if isinstance(layer, AxialAttention):
            layer.register_forward_hook(watch(name))
    net.eval()(waves(1, 10))
    assert seen == {
        "spectrum.attention.0": (1250, 128, 4),  # tokens: frequency
        "spectrum.attention.1": (40, 128, 4),
        "spectrum.attention.2": (128, 10, 2),  # tokens: channel
        "spectrogram.attention.0": (10, 16, 128, 2),  # tokens: frequency
        "spectrogram.attention.1": (16, 10, 128, 2),  # tokens: time
    }


def test_attention_can_be_switched_off() -> None:
    net = network(Config(spectrum_heads=None, spectrogram_heads=None))
    assert not [module for module in net.modules() if isinstance(module, AxialAttention)]
    assert net(waves()).shape == (4, 256)


def test_the_network_of_w23_is_the_same_without_attention() -> None:
    """Only the projections of the spectrum branch go: the spectrogram's attention has no parameters."""
    systems = [load_system(name, []).build_network([""] * 148, seed=0) for name in ("dual_branch_cnn", "dual_branch_cnn_w23")]
    whole, without = ({name for name, _ in system.named_parameters()} for system in systems)
    assert without < whole
    assert {name.split(".")[1] for name in whole - without} == {"attention"}


def test_a_state_dict_round_trip_keeps_the_embeddings() -> None:
    first, second = network(seed=1).eval(), network(seed=2).eval()
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(waves()), second(waves()))


def test_logarithms_make_the_level_of_a_recording_an_offset() -> None:
    heard = waves(2, 2.0)
    log = network(Config(dim=8, width=8, channels=(4, 8), spectrum_heads=None, spectrogram_heads=None, magnitudes="log"), 2.0)
    spectrum = log.spectrum.front_end
    assert torch.allclose(spectrum(4 * heard) - spectrum(heard), torch.full((2, 16_000), math.log(4)), atol=0.05)


def test_branches_alike_have_length_one_each() -> None:
    heard = waves(3, 2.0)
    net = network(Config(dim=8, width=8, channels=(4, 8), spectrum_heads=None, spectrogram_heads=None, alike=True), 2.0).eval()
    halves = net(heard).detach().view(3, 2, 8)
    assert torch.allclose(halves.norm(dim=2), torch.ones(3, 2), atol=1e-5)
    plain = torch.stack([net.embeddings(heard)[name].detach() for name in ("spectrum", "spectrogram")], dim=1)
    assert torch.allclose(halves, plain / plain.norm(dim=2, keepdim=True), atol=1e-5)


def test_a_mean_over_time_does_not_mind_where_in_the_clip_a_sound_is() -> None:
    torch.manual_seed(0)
    config = {"dim": 8, "width": 8, "channels": (4, 8), "spectrum_heads": None, "spectrogram_heads": None}
    burst = torch.zeros(1, 65_536)
    burst[:, 20_000:24_096] = torch.randn(4096)
    later = burst.roll(16_384, dims=1)  # a whole number of the frames that the network joins
    for over_time in ("maximum", "mean"):
        net = network(Config(**config, over_time=over_time, temporal_normalization=False), 4.096).eval()
        first, second = (net.spectrogram(wave).detach() for wave in (burst, later))
        assert torch.allclose(first, second, rtol=0.05, atol=0.05 * first.abs().max().item()), over_time
