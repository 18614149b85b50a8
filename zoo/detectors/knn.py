"""k nearest neighbours: the mean distance to the k nearest normal clips, the smaller one of the two domains.

[LoRA], [T24]: cosine, k = 1; Han et al., ICASSP 2024: k = 2 (that the k distances are averaged is our reading).
BEAM (Saengthong & Shinozaki, 2603.13749): every part of an embedding has its own nearest reference, and the score is the mean
over the parts; its distance is half of ours. What `rescale` does is said in `_references.py`.

The scores of training clips are those of a fit without the clip, for every option. Most need no other fit for that; with
`standardise`, the cosine, points between clips, LDN and VarMin are fitted again for each clip.
"""

from collections.abc import Sequence
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from zoo.config import Frozen
from zoo.data.clips import Clip
from zoo.detectors import Detector, FloatArray
from zoo.detectors._arrays import checked, checked_training, directions, fitted, joined
from zoo.detectors._banks import Bank, domain_banks
from zoo.detectors._compared import Compared
from zoo.detectors._mem_mixup import MemMixupConfig, mixed, on_directions
from zoo.detectors._references import DomainZ, Plain, References, Rescaled
from zoo.detectors._scale import Reweighted, Scale
from zoo.detectors._smote import SmoteConfig
from zoo.metadata import Words

METADATA = Words(methods=("k-NN",))

FEWEST = {"none": 1, "ldn": 2, "varmin": 2, "domain_z": 3}  # clips that a domain must have for its distances to be rescaled


class Config(Frozen):
    k: int = Field(default=1, ge=1)  # neighbours of each domain; all there are, where there are fewer
    metric: Literal["cosine", "euclidean"] = "cosine"
    standardise: bool = False  # first put every dimension on the scale that it has over the machine's training clips
    parts: Literal["each", "joined"] = "each"  # each part has its own nearest reference, or all together have one
    banks: Literal["domains", "one"] = "domains"  # references by domain, the nearer one counts; or all together
    rescale: Literal["none", "ldn", "varmin", "domain_z"] = "none"
    neighbors: int | None = Field(default=None, ge=1)  # K of the density of LDN and VarMin; None: 16 and 4, as published
    k_source: int | None = Field(default=None, ge=1)  # K in the source domain, where it differs
    k_target: int | None = Field(default=None, ge=1)  # K in the target domain, where it differs
    deviation: Literal["own", "target"] = "own"  # of domain z: each domain's, or the target's for both (GenRep)
    smote: SmoteConfig | None = None  # None: the target bank holds the target clips only
    mem_mixup: MemMixupConfig | None = None
    seed: int = 0  # of SMOTE

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        made = self.smote is not None or self.mem_mixup is not None
        if made and self.rescale in ("ldn", "varmin"):
            raise ValueError(f"{self.rescale} measures how dense the clips are: leave out smote and mem_mixup")
        if self.smote is not None and self.mem_mixup is not None:
            raise ValueError("smote and mem_mixup both fill up the target domain: leave out one of them")
        if self.banks == "one" and (made or self.rescale == "domain_z"):
            raise ValueError("domain_z, smote and mem_mixup tell the domains apart: set banks to domains")
        return self


class NearestNeighbors:
    """Cosine distance is 1 - cos, in [0, 2]."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.notes: list[str] = []
        self._shape: tuple[int, ...] | None = None  # (parts, dim)
        self._scale: Scale | None = None
        self._references: list[list[References]] = []  # of each part, of each domain
        self._banks: list[list[Bank]] = []
        self._training: FloatArray | None = None  # (n, parts, dim)
        self._compared: list[Compared] = []  # of each part: the clips of the fit with themselves
        self._clips: list[Clip] = []
        self._few: NDArray[np.bool_] = np.empty(0, dtype=bool)  # clips without which their domain has too few

    def fit(self, embeddings: FloatArray, clips: Sequence[Clip]) -> Self:
        training = checked_training(embeddings, clips)
        self._shape, self._training, self._clips = training.shape[1:], training, list(clips)
        self._scale = Scale.of(joined(training)) if self.config.standardise else None
        self._compared = [Compared(placed, placed) for placed in self._placed(training)]
        self._banks = [self._banks_of(part) for part in range(len(self._compared))]
        self._few = self._few_clips(len(clips))
        rescale = self.config.rescale if self._leave_out_small_domains() else "none"
        self._references = [
            self._references_of(banks, rescale, clips) for banks, clips in zip(self._banks, self._compared, strict=True)
        ]
        return self

    def score(self, embeddings: FloatArray) -> FloatArray:
        placed = self._placed(checked(embeddings, fitted(self._shape)))
        parts = []
        for points, clips, own in zip(placed, self._compared, self._references, strict=True):
            queries = Compared(points, clips.queries)
            parts.append(self._nearer([one.score(queries) for one in own]))
        return _mean(parts)

    def score_training(self) -> FloatArray:
        training = fitted(self._training)
        if len(training) == 1:
            return np.zeros(1)  # nothing left: the distance to itself
        made = any(bank.made for banks in self._banks for bank in banks)
        if self._scale is None:
            parts = [
                self._nearer([one.score_training(clips) for one in own])
                for clips, own in zip(self._compared, self._references, strict=True)
            ]
            scores, again = _mean(parts), self._few
        elif self.config.metric == "euclidean" and not made and self.config.rescale in ("none", "domain_z"):
            scores, again = self._scores_on_other_scales(training, self._scale), self._few
        else:
            scores, again = np.empty(len(training)), np.ones(len(training), dtype=bool)
        for row in np.flatnonzero(again):
            others = np.delete(np.arange(len(training)), row)
            detector = NearestNeighbors(self.config).fit(training[others], [self._clips[other] for other in others])
            scores[row] = detector.score(training[[row]])[0]
        return scores

    def _parts(self, embeddings: FloatArray) -> FloatArray:
        """What is compared one by one, (n, parts, dim)."""
        return joined(embeddings)[:, None] if self.config.parts == "joined" else embeddings

    def _placed(self, embeddings: FloatArray) -> list[FloatArray]:
        """Where the clips lie, (n, dim) for each part."""
        return [self._placed_part(points, part) for part, points in enumerate(np.moveaxis(self._parts(embeddings), 1, 0))]

    def _placed_part(self, points: FloatArray, part: int) -> FloatArray:
        """Where these (n, dim) lie, of one part."""
        if self._scale is not None:
            shape = (1, *fitted(self._shape))
            points = Scale(*(self._parts(side.reshape(shape))[0, part] for side in self._scale.sides)).placed(points)
        return directions(points) if self.config.metric == "cosine" else points

    def _banks_of(self, part: int) -> list[Bank]:
        """The references of one part, a bank for each domain."""
        config, training = self.config, fitted(self._training)
        points = self._parts(training)[:, part]
        banks, self.notes = domain_banks(points, self._clips, config.smote, config.seed)
        if config.banks == "one":
            rows = np.arange(len(training))
            banks = [Bank(points, np.stack([rows, rows], axis=1))]
        banks = [self._placed_bank(bank, part) for bank in banks]
        if config.mem_mixup is not None and len(banks) == 1:
            self.notes.append("MemMixup left out: it needs source and target clips")
        elif config.mem_mixup is not None:
            banks[1] = mixed(banks[0], banks[1], config.mem_mixup, self._compared[part])
            if config.metric == "cosine":
                banks[1] = on_directions(banks[1])
        return banks

    def _placed_bank(self, bank: Bank, part: int) -> Bank:
        """The bank where its clips lie already, and what SMOTE made beside them."""
        points = self._compared[part].queries[bank.parents[:, 0]]
        if bank.made:
            points[~bank.clips] = self._placed_part(bank.points[~bank.clips], part)
        return bank.placed(points)

    def _few_clips(self, count: int) -> NDArray[np.bool_]:
        few = np.zeros(count, dtype=bool)
        for bank in self._banks[0]:
            if self.config.rescale != "none" and bank.clips.sum() <= FEWEST[self.config.rescale]:
                few[bank.parents[bank.clips, 0]] = True
        return few

    def _leave_out_small_domains(self) -> bool:
        """Whether distances can be rescaled; a domain with too few clips for that is no reference beside one with enough."""
        enough = [bool(bank.clips.sum() >= FEWEST[self.config.rescale]) for bank in self._banks[0]]
        if all(enough):
            return True
        if not any(enough):
            self.notes.append(f"{self.config.rescale} left out: no domain has {FEWEST[self.config.rescale]} clips")
            return False
        name = "target" if enough[0] else "source"
        self.notes.append(
            f"the {name} clips are no references: {self.config.rescale} needs {FEWEST[self.config.rescale]} of a domain"
        )
        self._banks = [[bank for bank, kept in zip(banks, enough, strict=True) if kept] for banks in self._banks]
        return True

    def _references_of(self, banks: Sequence[Bank], rescale: str, clips: Compared) -> list[References]:
        config, cosine = self.config, self.config.metric == "cosine"
        if rescale == "none":
            return [Plain(bank, config.k, cosine) for bank in banks]
        if rescale == "domain_z":
            domains = [DomainZ(bank, config.k, cosine, clips) for bank in banks]
            if config.deviation == "target":
                domains[0].lender = domains[-1]
            return list(domains)
        published = 16 if rescale == "ldn" else 4
        target = [self._clips[bank.parents[0, 0]].domain == "target" for bank in banks]
        by_domain = [None if config.banks == "one" else config.k_target if one else config.k_source for one in target]
        counts = [one or config.neighbors or published for one in by_domain]
        method: Literal["ldn", "varmin"] = "ldn" if rescale == "ldn" else "varmin"
        return [Rescaled(bank, method, count, config.k, cosine, clips) for bank, count in zip(banks, counts, strict=True)]

    def _scores_on_other_scales(self, training: FloatArray, scale: Scale) -> FloatArray:
        """Scores of the training clips, each with the scale that the others have, from Euclidean distances to clips."""
        weights: FloatArray = (scale.deviation / scale.without(joined(training))) ** 2
        weights = self._parts(weights.reshape(training.shape))
        parts: list[FloatArray] = []
        for part, (banks, clips) in enumerate(zip(self._banks, self._compared, strict=True)):
            domains = [Reweighted(bank, weights[:, part], self.config.k) for bank in banks]
            distances = [domain.score_training(clips.queries) for domain in domains]
            if isinstance(self._references[part][0], DomainZ):
                means, deviations = zip(*(domain.statistics() for domain in domains), strict=True)
                if self.config.deviation == "target":
                    deviations = deviations[-1:] * len(domains)
                parts.append(self._nearer([DomainZ.z(*one) for one in zip(distances, means, deviations, strict=True)]))
            else:
                parts.append(self._nearer(distances))
        return _mean(parts)

    @staticmethod
    def _nearer(distances: Sequence[FloatArray]) -> FloatArray:
        nearer: FloatArray = np.stack(distances).min(axis=0)
        return np.where(np.isinf(nearer), 0.0, nearer)  # nothing left: the distance to itself


def build(config: Config) -> Detector:
    return NearestNeighbors(config)


def _mean(parts: Sequence[FloatArray]) -> FloatArray:
    mean: FloatArray = np.stack(parts).mean(axis=0)
    return mean
