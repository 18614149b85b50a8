"""wav2vec 2.0, and XLS-R, which is the same trained on 128 languages.

Sources: Baevski et al., wav2vec 2.0, NeurIPS 2020; Babu et al., XLS-R, Interspeech 2022.
"""

from typing import ClassVar

from zoo.encoders._speech import Speech
from zoo.metadata import Words

METADATA = Words(("raw waveform",), ("wav2vec 2.0",), ("transformer",), {"LibriSpeech": "https://www.openslr.org/12"})


class Wav2Vec2(Speech):
    """Waves to tokens; see `zoo/encoders/_speech.py`."""

    prefix: ClassVar = "wav2vec2"
    in_transformers: ClassVar = "Wav2Vec2"


ENCODER = Wav2Vec2
