"""Where t-SNE puts the embeddings of a machine's clips."""

import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from markupsafe import Markup
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from fusion.metrics import Floats
from submission.report.figures import SERIES, Cloud, embedding_map
from submission.report.recordings import embeddings_of
from submission.report.scored import Place, Scored
from zoo.data.clips import Clip
from zoo.progress import Progress
from zoo.running.embeddings import Embeddings
from zoo.running.folder import Run
from zoo.running.pseudo_files import PseudoLabel

MOST = 400  # points of a map: t-SNE takes a second for these
_FEWEST = 5


class Map(NamedTuple):
    """The embedding map of one system at one place."""

    one: Scored
    svg: Markup


class Colours(NamedTuple):
    """Which attribute string has which colour at a place; those beyond the ninth share the last."""

    numbers: dict[str, int]

    @property
    def legend(self) -> list[tuple[str, int]]:
        shown = [(said or "no attributes", number) for said, number in self.numbers.items() if number < SERIES - 1]
        others = sum(number == SERIES - 1 for number in self.numbers.values())
        return [*shown, (f"{others} others", SERIES - 1)] if others else shown


def colours_of(clips: Sequence[Clip]) -> Colours:
    """The commonest attributes first."""
    said = [clip.attributes or "" for clip in clips]
    ordered = sorted(set(said), key=lambda one: (-said.count(one), one))
    return Colours({one: min(number, SERIES - 1) for number, one in enumerate(ordered)})


class Maps(NamedTuple):
    """The embedding maps of one place."""

    colours: Colours  # of attributes, the same in all
    drawn: list[Map]


def maps(
    run: Run,
    scored: Sequence[Scored],
    places: Iterable[Place],
    labels: Mapping[str, Sequence[PseudoLabel]],
    progress: Progress,
) -> dict[Place, Maps]:
    """The maps of every place, for each system that has embeddings of it; a system's pseudo-labels stand for attributes."""
    wanted: list[tuple[Place, Scored, Embeddings]] = []
    for place in places:
        for one in scored:
            if one.ensemble is None and (found := embeddings_of(run, one.name, place.machine)) is not None:
                rows = _some([index for index, clip in enumerate(found.clips) if clip.section == place.section], found.clips)
                if len(rows) >= _FEWEST and np.isfinite(found.values[rows]).all():
                    wanted.append((place, one, _with_labels(found.take(rows), labels.get(one.name, ()))))
    result: dict[Place, Maps] = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        placed = pool.map(lambda one: tsne(one[2].values), wanted)
        for done, ((place, one, embedded), points) in enumerate(zip(wanted, placed, strict=True), 1):
            here = [clip for where, _, other in wanted if where == place for clip in other.clips]
            colours, drawn = result.setdefault(place, Maps(colours_of(here), []))
            drawn.append(Map(one, _draw(one.name, place, embedded, points, colours)))
            progress(done, len(wanted))
    return result


def _with_labels(embedded: Embeddings, labels: Sequence[PseudoLabel]) -> Embeddings:
    year = embedded.clips[0].year
    told = {(one.machine, one.section, one.clip): one.label for one in labels if one.year == year}

    def labelled(clip: Clip) -> Clip:
        known = told.get((clip.machine, clip.section, clip.name)) if clip.split == "train" else None
        return clip if known is None else replace(clip, attributes=known)

    return replace(embedded, clips=tuple(map(labelled, embedded.clips)))


def tsne(values: np.ndarray) -> Floats:
    """Embeddings (n, parts, dim) in the plane, (n, 2): t-SNE of the first 30 principal components of their joined parts.

    The same for the same input.
    """
    values = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    if np.ptp(values, axis=0).max() == 0:
        return np.zeros((len(values), 2))
    values = PCA(min(30, *values.shape), random_state=0, svd_solver="full").fit_transform(values)
    if values.shape[1] < 2:
        return np.column_stack([values[:, 0], np.zeros(len(values))])
    perplexity = min(30.0, (len(values) - 1) / 3)
    found = TSNE(init="pca", perplexity=perplexity, random_state=0, max_iter=500, n_jobs=1).fit_transform(values)
    return np.asarray(found, dtype=np.float64)


def _some(rows: list[int], clips: Sequence[Clip]) -> list[int]:
    """At most `MOST` rows: test clips first, each kind of clip thinned evenly."""
    test = [row for row in rows if clips[row].split == "test"]
    train = [row for row in rows if clips[row].split == "train"]
    test = _thinned(test, max(MOST // 2, MOST - len(train)))
    return sorted(_thinned(train, MOST - len(test)) + test)


def _thinned(rows: list[int], most: int) -> list[int]:
    if len(rows) <= most:
        return rows
    return [rows[int(position)] for position in np.linspace(0, len(rows) - 1, most)]


def _draw(system: str, place: Place, embedded: Embeddings, points: Floats, colours: Colours) -> Markup:
    clouds = []
    for clip in embedded.clips:
        said = clip.attributes or ""
        clouds.append(Cloud(clip.split, clip.domain or "", clip.label or "", colours.numbers.get(said, SERIES - 1), said))
    return embedding_map(f"Embeddings of {place.machine} by {system}", points, clouds)
