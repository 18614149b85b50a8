"""Positions by convolution, as wav2vec 2.0 and BEATs have them (Baevski et al., NeurIPS 2020, section 2).

Trainable weights take the direct way. Frozen ones are applied by FFT in overlapping blocks, in a tenth of the time on a CPU:
the kernels are long, and their spectrum, whose size does not depend on the clip's, is kept until a weight changes.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.autocast import without_autocast


class PositionConv(nn.Module):
    """Grouped convolution along the tokens, weight-normalised per tap: (batch, tokens, width) -> the same.

    "Same" padding, of an even number of taps without the last step.
    """

    def __init__(self, width: int, taps: int, groups: int) -> None:
        super().__init__()
        self.groups, self.taps = groups, taps
        self.weight_v = nn.Parameter(torch.randn(width, width // groups, taps) * math.sqrt(4 / (taps * width)))
        self.weight_g = nn.Parameter(torch.linalg.vector_norm(self.weight_v.detach(), dim=(0, 1), keepdim=True))
        self.bias = nn.Parameter(torch.zeros(width))
        self._spectrum: tuple[object, Tensor] | None = None

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # it has no complex numbers
    def forward(self, x: Tensor) -> Tensor:
        if not self.weight_v.requires_grad:
            return self._by_fft(x)
        y = F.conv1d(x.transpose(1, 2), self.weight(), self.bias, padding=self.taps // 2, groups=self.groups)
        return y[:, :, : x.shape[1]].transpose(1, 2)

    def weight(self) -> Tensor:
        """The kernels: each tap's directions `weight_v` scaled to length `weight_g`, (width, width / groups, taps)."""
        norm = self.weight_v.square().sum((0, 1), keepdim=True).sqrt()
        return self.weight_v * (self.weight_g / norm)

    def _by_fft(self, x: Tensor) -> Tensor:
        batch, tokens, _ = x.shape
        block = 2 * self.taps
        step = block - self.taps + 1  # outputs of a block that see no wrap-around
        blocks = -(-tokens // step)
        padded = F.pad(x.float().transpose(1, 2), (self.taps // 2, blocks * step + self.taps - 1 - tokens - self.taps // 2))
        with without_autocast(x):
            spectra = torch.fft.rfft(padded.unfold(2, block, step))  # (batch, width, blocks, frequencies)
            by_group = spectra.view(batch, self.groups, -1, blocks, spectra.shape[3]).permute(4, 1, 0, 3, 2).flatten(2, 3)
            mixed = (by_group @ self._kernels(block)).unflatten(2, (batch, blocks)).permute(2, 3, 1, 4, 0)
            y: Tensor = torch.fft.irfft(mixed.flatten(2, 3), block)[..., :step]  # (batch, blocks, width, step)
        return y.transpose(2, 3).flatten(1, 2)[:, :tokens] + self.bias

    def _kernels(self, block: int) -> Tensor:
        """Conjugate spectra of the kernels: complex (frequencies, groups, width / groups in, width / groups out)."""
        key = [(value.data_ptr(), value.device, value._version) for value in (self.weight_v, self.weight_g)]
        if self._spectrum is None or self._spectrum[0] != key:
            spectra = torch.fft.rfft(self.weight().detach(), block).conj().unflatten(0, (self.groups, -1))
            self._spectrum = (key, spectra.permute(3, 0, 2, 1).contiguous())
        return self._spectrum[1]
