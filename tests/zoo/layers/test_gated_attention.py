"""The kernel gives the plain path's numbers and gradients, in Triton's interpreter where there is no GPU."""

from unittest.mock import Mock

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

pytest.importorskip("triton", reason="triton is not here: pip install -e '.[dev]' on Linux brings it")

from zoo.encoders.beats import BEATs
from zoo.encoders.wavlm import WavLM
from zoo.errors import AsdzooError
from zoo.layers.gated_attention import gated_attention
from zoo.layers.gated_bias import kernel_serves
from zoo.systems import load_system

TABLES = ("relative_attention_bias.weight", "rel_attn_embed.weight")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def _plain(q: Tensor, k: Tensor, v: Tensor, gates: Tensor, bias: Tensor, padding: Tensor | None) -> Tensor:
    patches = q.shape[2]
    distance = torch.arange(patches)[None, :] - torch.arange(patches)[:, None] + patches - 1
    mask = gates[..., None] * bias[:, distance.to(bias.device)][None]
    if padding is not None:
        mask = mask.masked_fill(padding[:, None, None, :], -torch.inf)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 1e-3)])
@pytest.mark.parametrize("patches", [1, 64, 150])
@pytest.mark.parametrize("padded", [False, True])
def test_numbers_and_gradients_are_those_of_the_plain_path(
    dtype: torch.dtype, tolerance: float, patches: int, padded: bool
) -> None:
    torch.manual_seed(0)
    batch, heads, width = 2, 3, 16
    values = [torch.randn(batch, heads, patches, width, device=DEVICE).to(dtype) for _ in range(4)]
    gates, bias = torch.rand(batch, heads, patches, device=DEVICE).to(dtype) * 2, torch.randn(heads, 2 * patches - 1).to(dtype)
    bias = bias.to(DEVICE)
    padding = None
    if padded:
        padding = torch.zeros(batch, patches, dtype=torch.bool, device=DEVICE)
        padding[0, patches // 3 + 1 :] = True
    inputs = [each.clone().requires_grad_() for each in (*values[:3], gates)]
    exact = [each.double().requires_grad_() for each in (*values[:3], gates)]
    out, wanted = gated_attention(*inputs, bias, padding), _plain(*exact, bias.double(), padding)
    gradients = torch.autograd.grad(out, inputs, values[3])
    wanted_gradients = torch.autograd.grad(wanted, exact, values[3].double())
    for found, right in zip((out, *gradients), (wanted, *wanted_gradients), strict=True):
        assert found.dtype == dtype
        off, largest = (found.double() - right).detach().abs(), max(float(right.detach().abs().max()), 1.0)
        if dtype == torch.float32:
            assert float(off.max()) <= tolerance * largest
        else:  # one rounding of a value is 2^-8 of it already, and the interpreter rounds towards zero
            assert float(off.mean()) <= tolerance * largest
            assert float(off.max()) <= 2**-6 * largest


@pytest.mark.parametrize("kind", [BEATs, WavLM])
def test_an_encoder_with_the_kernel_has_the_same_outputs_and_gradients(
    kind: type[BEATs | WavLM], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    encoder = kind(kind.sizes(**kind.tiny)).to(DEVICE).eval()
    (table,) = [value for name, value in encoder.named_parameters() if name.endswith(TABLES)]
    table.requires_grad_(False)
    monkeypatch.setattr(f"{kind.__module__}.kernel_serves", lambda x, table, heads, dropout=0.0: True)
    waves = torch.randn(2, 16_000, device=DEVICE)
    features, padding = encoder.features(waves, torch.tensor([16_000, 8_000], device=DEVICE))
    assert padding is not None
    wanted = torch.randn(int((~padding).sum()), encoder.width, device=DEVICE)
    used, kernel = [], gated_attention
    monkeypatch.setattr("zoo.layers.gated_attention.gated_attention", lambda *given: (used.append(1), kernel(*given))[1])
    found = []
    for encoder.kernel in (False, True):
        encoder.zero_grad()
        out = encoder(features, padding)[~padding]
        (out * wanted).sum().backward()
        gradients = [parameter.grad.clone() for parameter in encoder.parameters() if parameter.grad is not None]
        found.append([out.detach(), *gradients])
    assert len(used) == encoder.layers()
    for plain, fused in zip(*found, strict=True):
        torch.testing.assert_close(fused, plain, rtol=1e-4, atol=1e-5 * max(float(plain.abs().max()), 1.0))


@pytest.mark.filterwarnings("ignore")  # torch's own, while it compiles
def test_compiled_layers_call_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    encoder = BEATs(BEATs.sizes(**BEATs.tiny)).to(DEVICE).eval().requires_grad_(False)
    encoder.kernel = True
    monkeypatch.setattr("zoo.encoders.beats.kernel_serves", lambda x, table, heads: True)
    features = torch.randn(1, 48, 128, device=DEVICE, requires_grad=True)
    found = []
    for compiled in (False, True):
        for layer in encoder.encoder.layers if compiled else ():
            layer.compile(backend="eager")
        out = encoder(features)
        found.append((out.detach(), torch.autograd.grad(out.square().sum(), features)[0]))
    for plain, fast in zip(*found, strict=True):
        torch.testing.assert_close(fast, plain)


def test_the_kernel_serves_where_it_can() -> None:
    table, frozen = torch.zeros(4, 2, requires_grad=True), torch.zeros(4, 2)
    x = Mock(shape=(1, 5, 64), is_cuda=True)
    assert kernel_serves(x, frozen, heads=2)
    assert not kernel_serves(x, table, heads=2)
    with torch.no_grad():
        assert kernel_serves(x, table, heads=2)
    assert not kernel_serves(x, frozen, heads=2, dropout=0.1)
    assert not kernel_serves(Mock(shape=(1, 5, 96), is_cuda=True), frozen, heads=2)  # 48 is no power of two
    assert not kernel_serves(Mock(shape=(1, 5, 64), is_cuda=True), frozen, heads=8)  # 8 values are too few
    assert not kernel_serves(torch.zeros(1, 5, 64), frozen, heads=2)


def test_only_encoders_with_gated_biases_have_the_kernel() -> None:
    with pytest.raises(AsdzooError, match="eat has no gated position bias"):
        load_system("eat_lora_tiny", ["model.kernel=true"])
