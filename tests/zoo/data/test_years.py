"""The facts of the years hold together."""

import pytest

from tests.zoo.trees import HIDDEN
from zoo.data.years import YEARS, years_of


@pytest.mark.parametrize("year", YEARS)
def test_every_machine_has_sections_and_every_exception_a_machine(year: str) -> None:
    facts = YEARS[year]
    assert facts.year == year
    for machine in facts.machines:
        sections = facts.sections(machine)
        assert sections
        assert all(len(section) == 2 and section.isdigit() for section in sections)
        assert list(sections) == sorted(set(sections))
    assert {*facts.sections_of, *HIDDEN.get(year, ())} <= set(facts.machines)


def test_machine_counts_of_the_official_tables() -> None:
    counts = {year: (len(facts.development), len(facts.evaluation)) for year, facts in YEARS.items()}
    assert counts == {
        "2020": (6, 6),
        "2021": (7, 7),
        "2022": (7, 7),
        "2023": (7, 7),
        "2024": (7, 9),
        "2025": (7, 8),
        "2026": (7, 5),
    }


def test_sections() -> None:
    assert YEARS["2020"].sections("fan") == ("00", "01", "02", "03", "04", "05", "06")
    assert YEARS["2020"].sections("ToyCar") == ("01", "02", "03", "04", "05", "06", "07")
    assert YEARS["2022"].sections("bearing") == ("00", "01", "02", "03", "04", "05")
    assert YEARS["2024"].sections("3DPrinter") == ("00",)
    assert YEARS["2024"].sections("pump") == ()


def test_first_shot_years_evaluate_new_machines() -> None:
    for year in ("2023", "2024", "2025", "2026"):
        assert not set(YEARS[year].development) & set(YEARS[year].evaluation)


def test_machines_that_recur() -> None:
    assert years_of("ToyDrone") == ("2023", "2026")
    assert years_of("pump") == ("2020", "2021")
    assert years_of("bandsaw") == ("2023",)
    assert years_of("propeller") == ()
