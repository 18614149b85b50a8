"""UniSpeech-SAT, HuBERT with speaker-aware training.

Source: Chen et al., UniSpeech-SAT: universal speech representation learning with speaker aware pre-training, ICASSP 2022.
"""

from typing import ClassVar

from zoo.encoders._speech import Speech
from zoo.metadata import Words

METADATA = Words(("raw waveform",), ("UniSpeech-SAT",), ("transformer",), {"LibriSpeech": "https://www.openslr.org/12"})


class UniSpeechSat(Speech):
    """Waves to tokens; see `zoo/encoders/_speech.py`."""

    prefix: ClassVar = "unispeech_sat"
    in_transformers: ClassVar = "UniSpeechSat"


ENCODER = UniSpeechSat
