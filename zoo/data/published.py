"""What is known of the published recordings: the facts of `configs/recordings.yaml`, typed."""

from functools import cache

from pydantic import Field

from zoo.config import Frozen, load_yaml, parse, shipped_configs


class Facts(Frozen):
    """Of each machine and section of a year; what is `None` is not known."""

    seconds: tuple[float, float] | None = None  # shortest, longest
    train: dict[str, int] | None = None  # domain -> clips
    test: dict[str, int] | None = None  # "DOMAIN LABEL" -> clips, where names say both
    test_sum: int | None = None  # clips, where they do not
    supplemental: int | None = None
    test_index: tuple[int, int] | None = None  # first and last number in the names
    attributes: int | None = None  # different strings among the training clips

    @property
    def counted(self) -> bool:
        """Whether any number of clips is known."""
        return not (self.train is None and self.test is None and self.test_sum is None)


class _Year(Facts):
    machines: dict[str, Facts] = Field(default_factory=dict)


class _Table(Frozen):
    rate: int
    years: dict[str, _Year]


@cache
def _load() -> _Table:
    path = shipped_configs() / "recordings.yaml"
    return parse(_Table, load_yaml(path), str(path))


def published_rate() -> int:
    """Samples a second (Hz) of all years."""
    return _load().rate


def facts_of(year: str, machine: str) -> Facts:
    """The facts of a year with those of one machine put in; without any for recordings that nobody published.

    >>> facts_of("2026", "ToyCar").seconds, facts_of("2026", "ToyCar").train, facts_of("own", "MyPump").train
    ((11.0, 11.0), {'source': 990, 'target': 10}, None)
    """
    of_year = _load().years.get(year, _Year())
    own = of_year.machines.get(machine, Facts())
    common = {name: getattr(of_year, name) for name in Facts.model_fields}
    return Facts(**common | {name: getattr(own, name) for name in own.model_fields_set})
