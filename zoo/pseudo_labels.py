"""Pseudo-labels: classes for machines whose attributes nobody tells, from clusters of their training clips.

Clips are embedded by a frozen encoder, or as their mean log-mel spectrum, and clustered machine by machine, section by section,
source and target domain each on its own. What a cluster is called does not depend on the order in which clips were found.

Sources: Fujimura et al., 2509.12845 (Ward); the open recipe kasahart/asd-experiments, 2026 (k-means, 7 clusters of source clips
and one of target clips a machine).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from zoo import registry
from zoo.classes import ClassesConfig, class_of, tells_nothing
from zoo.config import Frozen, parse
from zoo.data.clips import Clip
from zoo.data.store import WaveformStore
from zoo.detectors import FloatArray
from zoo.hearing import Hearing
from zoo.networks import Embedder

SPECTRUM = "log_mel"


class PseudoConfig(Frozen):
    """How training clips without attributes are told apart."""

    encoder: str = SPECTRUM  # a name of zoo/encoders/; log_mel needs no checkpoint: the mean spectrum, standardised
    weights: str | None = None  # of the encoder, as model.weights
    init: Literal["checkpoint", "random"] = "checkpoint"  # random: for tests
    sizes: dict[str, Any] = Field(default_factory=dict)  # of the encoder, as model.sizes
    method: Literal["kmeans", "ward"] = "kmeans"
    clusters: PositiveInt = 7  # of a section's source clips, and of clips whose domain nobody tells
    target: PositiveInt = 1  # of its target clips
    seed: int = Field(default=0, ge=0)  # of k-means; that of training does not change classes


Labels = Mapping[Clip, str]  # training clip -> what stands for its attributes


def untold(clips: Sequence[Clip], classes: ClassesConfig) -> list[list[Clip]]:
    """Clips that get pseudo-labels: of each machine and section the source clips, then the target clips, sorted by name."""
    found: dict[tuple[str, str, str, bool], list[Clip]] = {}
    for clip in clips:
        if clip.split == "train" and tells_nothing(class_of(clip, classes), classes):
            found.setdefault((clip.year, clip.machine, clip.section, clip.domain == "target"), []).append(clip)
    return [sorted(found[part], key=lambda clip: clip.name) for part in sorted(found)]


def counted(clips: Sequence[Clip], config: PseudoConfig, classes: ClassesConfig) -> Labels:
    """As many labels as there will be, before any clip is heard; which clip gets which is not known yet."""
    told: dict[Clip, str] = {}
    for part in untold(clips, classes):
        count, first = _numbers(part, config)
        told |= {clip: _name(first + number % count) for number, clip in enumerate(part)}
    return told


def pseudo_labels(
    clips: Sequence[Clip],
    config: PseudoConfig,
    classes: ClassesConfig,
    hearing: Hearing,
    store: WaveformStore,
    device: Any = "cpu",
) -> Labels:
    """Pseudo-labels of the training clips that say nothing of themselves. Raises: AsdzooError when weights are missing."""
    parts = untold(clips, classes)
    if not parts:
        return {}
    hearing = hearing.alone
    network = _embedder(config, hearing).to(device)
    positions = {clip.path: index for index, clip in enumerate(store.clips)}
    sections: dict[tuple[str, str, str], list[list[Clip]]] = {}
    for part in parts:
        sections.setdefault((part[0].year, part[0].machine, part[0].section), []).append(part)
    told: dict[Clip, str] = {}
    for domains in sections.values():
        heard = [clip for part in domains for clip in part]
        embedded = hearing.embed(network, store, np.array([positions[clip.path] for clip in heard], np.int64))
        points = placed(embedded.reshape(len(heard), -1), spectra=config.encoder == SPECTRUM)
        for part in domains:
            own, points = points[: len(part)], points[len(part) :]
            count, first = _numbers(part, config)
            told |= {
                clip: _name(first + number)
                for clip, number in zip(part, clusters(own, count, config.method, config.seed).tolist(), strict=True)
            }
    return told


def placed(embeddings: FloatArray, spectra: bool) -> FloatArray:
    """What is clustered, float64 (n, dim): directions of embeddings, or spectra of which every bin is standardised."""
    points = np.asarray(embeddings, np.float64)
    if spectra:
        deviation = points.std(axis=0)
        return np.asarray((points - points.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0))
    norms = np.linalg.norm(points, axis=1, keepdims=True)
    return np.asarray(points / np.where(norms > 0, norms, 1.0))


def clusters(points: FloatArray, count: int, method: Literal["kmeans", "ward"], seed: int) -> NDArray[np.int64]:
    """The cluster of each point (n,), numbered by the first point of each; fewer than `count` where fewer points differ."""
    from sklearn.cluster import AgglomerativeClustering, KMeans

    count = min(count, len(np.unique(points, axis=0)))
    if count == 1:
        return np.zeros(len(points), np.int64)
    if method == "ward":
        raw = AgglomerativeClustering(n_clusters=count, linkage="ward").fit_predict(points)
    else:
        raw = KMeans(n_clusters=count, n_init=10, random_state=seed).fit_predict(points)
    _, first, number = np.unique(raw, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[number], np.int64)


def _numbers(part: Sequence[Clip], config: PseudoConfig) -> tuple[int, int]:
    """How many clusters a part has, and the number of its first one."""
    target = part[0].domain == "target"
    return min(config.target if target else config.clusters, len(part)), config.clusters if target else 0


def _name(number: int) -> str:
    return f"pseudo_{number}"


def _embedder(config: PseudoConfig, hearing: Hearing) -> Embedder:
    """The network whose embeddings are clustered, in evaluation mode; random weights, for tests, are always the same."""
    import torch

    if config.encoder == SPECTRUM:
        name = "log_mel"
        block: dict[str, Any] = {"statistics": "mean"}
    else:
        name = "pretrained"
        block = {key: getattr(config, key) for key in ("encoder", "weights", "init", "sizes")}
        block |= {"tuning": {"mode": "frozen"}, "loss": None}
    module = registry.module("model", name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network: Embedder = module.build(parse(module.Config, block, "pseudo"), hearing.shape, 0)
    return network.eval()
