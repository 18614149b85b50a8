"""What a paper reports of a system or an ensemble: the field `published:` of their YAML files.

A record is one row of one table on one set of one year. Numbers are per cent, as papers print them (evaluation.csv has
fractions). They belong to the configuration in that very file: a config that builds on another has none of the other's, and one
that `--set` changes has none at all.
"""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from zoo.config import Frozen
from zoo.data.years import YEARS

SetName = Literal["dev", "eval"]
SET_NAMES: dict[SetName, str] = {"dev": "development", "eval": "evaluation"}


class Published(Frozen):
    """One row of a paper's table; all numbers in per cent."""

    year: str  # of the challenge
    set: SetName
    source: str  # the paper and its table
    metric: Literal["official", "mixed_domain"] = (
        "official"  # mixed_domain: AUC and pAUC over the clips of both domains together
    )
    all: float | None = None  # official score of the set
    machines: dict[str, float | tuple[float, float, float]] = Field(default_factory=dict)  # harmonic mean; or AUC source, AUC
    # target, pAUC, where the paper prints these
    auc: float | None = None  # of mixed_domain
    pauc: float | None = None  # of mixed_domain

    @field_validator("year")
    @classmethod
    def _a_year(cls, year: str) -> str:
        if year not in YEARS or year == "2020":  # whose ToyCar has sections of both sets
            raise ValueError(f"{year} is no year of the challenge from 2021 on")
        return year

    @model_validator(mode="after")
    def _whole(self) -> Self:
        mixed = self.metric == "mixed_domain"
        if mixed and (self.auc is None or self.pauc is None or self.all is not None or self.machines):
            raise ValueError("a mixed_domain record has auc and pauc, and nothing of the official metric")
        if not mixed and (self.all is None or self.auc is not None or self.pauc is not None):
            raise ValueError("a record has the official score under `all`; auc and pauc are of mixed_domain")
        numbers = [value for own in self.machines.values() for value in (own if isinstance(own, tuple) else (own,))]
        for value in (self.all, self.auc, self.pauc, *numbers):
            if value is not None and not 1 < value <= 100:
                raise ValueError(f"{value:g} is no per cent of a score")
        strangers = [machine for machine in self.machines if machine not in self.set_machines]
        if strangers:
            raise ValueError(f"the {SET_NAMES[self.set]} set of {self.year} has no machine {strangers[0]}")
        return self

    @property
    def set_machines(self) -> tuple[str, ...]:
        """All machines of the set."""
        year = YEARS[self.year]
        return year.development if self.set == "dev" else year.evaluation

    @property
    def sections(self) -> tuple[str, ...]:
        """The sections that each machine has in the set."""
        year = YEARS[self.year]
        return year.development_sections if self.set == "dev" else year.evaluation_sections

    @property
    def score(self) -> float | None:
        """The official score as a fraction; None where the metric is another."""
        return None if self.all is None else self.all / 100

    def machine_score(self, machine: str) -> float:
        """The harmonic mean of a machine as a fraction."""
        value = self.machines[machine]
        if isinstance(value, tuple):
            return len(value) / sum(100 / one for one in value)
        return value / 100
