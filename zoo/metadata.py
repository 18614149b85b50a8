"""How models, encoders and detectors are called in the metadata of a submission; each module brings its own words."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Words:
    """What one module adds to the lists of a submission's metadata: `METADATA` in its file."""

    features: tuple[str, ...] = ()  # acoustic features
    embeddings: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()  # of machine learning
    external: dict[str, str] = field(default_factory=dict)  # data sets that its pretrained weights saw, and their addresses


AUDIOSET = {"AudioSet": "https://research.google.com/audioset/"}
