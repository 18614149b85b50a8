"""HuBERT.

Source: Hsu et al., HuBERT: self-supervised speech representation learning by masked prediction of hidden units, IEEE/ACM TASLP
2021.
"""

from typing import ClassVar

from zoo.encoders._speech import Speech
from zoo.metadata import Words

METADATA = Words(("raw waveform",), ("HuBERT",), ("transformer",), {"LibriSpeech": "https://www.openslr.org/12"})


class Hubert(Speech):
    """Waves to tokens; see `zoo/encoders/_speech.py`."""

    prefix: ClassVar = "hubert"
    in_transformers: ClassVar = "Hubert"


ENCODER = Hubert
