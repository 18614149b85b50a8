"""UniSpeech, wav2vec 2.0 with a phonetic task beside its own; its public files are large.

Source: Wang et al., UniSpeech: unified speech representation learning with labeled and unlabeled data, ICML 2021.
"""

from typing import ClassVar

from zoo.encoders._speech import Speech
from zoo.metadata import Words

METADATA = Words(("raw waveform",), ("UniSpeech",), ("transformer",), {"Common Voice": "https://commonvoice.mozilla.org"})


class UniSpeech(Speech):
    """Waves to tokens; see `zoo/encoders/_speech.py`."""

    prefix: ClassVar = "unispeech"
    in_transformers: ClassVar = "UniSpeech"


ENCODER = UniSpeech
