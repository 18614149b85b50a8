"""The magnitude spectrum of a whole clip."""

from torch import Tensor, nn

from zoo.features.fourier import in_float32, power


class Spectrum(nn.Module):
    """Magnitude of the DFT of a whole clip, not scaled: its bins 0 to samples / 2 - 1 [T24 2.2: 80,000 of 10 s].

    A real DFT has one bin more, Nyquist, which W23's code leaves out.
    Shape: (batch, samples) -> (batch, samples // 2).
    """

    @in_float32
    def forward(self, waves: Tensor) -> Tensor:
        return power(waves)[:, : waves.shape[1] // 2].sqrt_()
