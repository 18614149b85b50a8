"""The kernel gives the plain path's numbers and gradients, in Triton's interpreter where there is no GPU."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

pytest.importorskip("triton", reason="triton is not here: pip install -e '.[dev]' on Linux brings it")

from zoo.encoders.beats import BEATs
from zoo.errors import AsdzooError
from zoo.layers.gated_attention import gated_attention
from zoo.systems import load_system

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


def test_an_encoder_with_the_kernel_has_the_same_outputs_and_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    encoder = BEATs(BEATs.sizes(**BEATs.tiny)).to(DEVICE)
    encoder.get_parameter("encoder.layers.0.self_attn.relative_attention_bias.weight").requires_grad_(False)
    monkeypatch.setattr(type(encoder.encoder), "kernel_serves", lambda self, x: True)
    features = torch.randn(2, 96, 128, device=DEVICE)
    padding = torch.zeros(2, 48, dtype=torch.bool, device=DEVICE)
    padding[1, 24:] = True
    wanted = torch.randn(int((~padding).sum()), encoder.width, device=DEVICE)
    found = []
    for encoder.kernel in (False, True):
        encoder.zero_grad()
        out = encoder(features, padding)[~padding]
        (out * wanted).sum().backward()
        gradients = [parameter.grad.clone() for parameter in encoder.parameters() if parameter.grad is not None]
        found.append([out.detach(), *gradients])
    for plain, fused in zip(*found, strict=True):
        torch.testing.assert_close(fused, plain, rtol=1e-4, atol=1e-5 * max(float(plain.abs().max()), 1.0))


def test_only_encoders_with_gated_biases_have_the_kernel() -> None:
    with pytest.raises(AsdzooError, match="eat has no gated position bias"):
        load_system("eat_lora_tiny", ["model.kernel=true"])
