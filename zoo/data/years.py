"""What is known of each challenge year: data, no code that acts on it.

Machines are named as their folders are. Unless a comment says otherwise, facts come from the organisers' baseline (machine
lists, sections), their evaluators and the overview papers. Where a comment says *unverified*, read leniently.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

OWN = "own"  # the year of recordings that are not the challenge's


@dataclass(frozen=True)
class Year:
    """One challenge year."""

    year: str
    development: tuple[str, ...]  # machines of the development set
    evaluation: tuple[str, ...]  # machines of the additional training and evaluation sets
    development_sections: tuple[str, ...] = ("00",)
    evaluation_sections: tuple[str, ...] = ("00",)
    sections_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # machine -> all its sections, where they differ
    channels: int = 1
    # of each evaluation section, None where they differ; 2026: 6,000 clips in all, five machines with 1,000 for training each
    test_clips: int | None = 200

    @property
    def machines(self) -> tuple[str, ...]:
        """All machines of the year, development first, each once."""
        return tuple(dict.fromkeys(self.development + self.evaluation))

    def sections(self, machine: str) -> tuple[str, ...]:
        """All sections that a machine has in development and evaluation together."""
        if machine.startswith(SYNTHETIC_PREFIX):
            return self.development_sections
        if machine in self.sections_of:
            return self.sections_of[machine]
        both = (self.development_sections if machine in self.development else ()) + (
            self.evaluation_sections if machine in self.evaluation else ()
        )
        return tuple(sorted(set(both)))


SYNTHETIC_PREFIX = "Synth"  # `asdzoo synth` writes the challenge of 2024 with machines called Synth<X>
SYNTHETIC_YEARS = ("2024", "2026")  # with one microphone, with two; the folder says which
_2021 = ("fan", "gearbox", "pump", "slider", "ToyCar", "ToyTrain", "valve")
_2022 = ("bearing", "fan", "gearbox", "slider", "ToyCar", "ToyTrain", "valve")  # the development machines until 2025

YEARS: dict[str, Year] = {
    "2020": Year(
        "2020",
        development=("fan", "pump", "slider", "ToyCar", "ToyConveyor", "valve"),
        evaluation=("fan", "pump", "slider", "ToyCar", "ToyConveyor", "valve"),
        development_sections=("00", "02", "04", "06"),  # "machine ID" in that year
        evaluation_sections=("01", "03", "05"),
        test_clips=None,
        sections_of={
            "ToyCar": ("01", "02", "03", "04", "05", "06", "07"),  # development 01-04, evaluation 05-07
            "ToyConveyor": ("01", "02", "03", "04", "05", "06"),  # development 01-03, evaluation 04-06
        },
    ),
    "2021": Year(
        "2021",
        development=_2021,
        evaluation=_2021,
        development_sections=("00", "01", "02"),
        evaluation_sections=("03", "04", "05"),
        test_clips=None,
    ),
    "2022": Year(
        "2022",
        development=_2022,
        evaluation=_2022,
        development_sections=("00", "01", "02"),
        evaluation_sections=("03", "04", "05"),
    ),
    "2023": Year(
        "2023",
        development=_2022,
        evaluation=("bandsaw", "grinder", "shaker", "ToyDrone", "ToyNscale", "ToyTank", "Vacuum"),
    ),
    "2024": Year(
        "2024",
        development=_2022,
        evaluation=(
            "3DPrinter",
            "AirCompressor",
            "BrushlessMotor",
            "HairDryer",
            "HoveringDrone",
            "RoboticArm",
            "Scanner",
            "ToothBrush",
            "ToyCircuit",
        ),
    ),
    "2025": Year(
        "2025",
        development=_2022,
        evaluation=(
            "AutoTrash",
            "BandSealer",
            "CoffeeGrinder",
            "HomeCamera",
            "Polisher",
            "ScrewFeeder",
            "ToyPet",
            "ToyRCCar",
        ),
    ),
    "2026": Year(
        "2026",
        development=("ToyCar", "ToyCarEmu", "bearingEmu", "fan", "gearboxEmu", "sliderEmu", "valveEmu"),
        evaluation=("BlowerDustCollector", "Sander", "SewingMachine", "ToothBrush", "ToyDrone"),
        channels=2,  # 0 is the microphone near the machine, 1 the far one
    ),
}


def years_of(machine: str) -> tuple[str, ...]:
    """The years that have a machine of this name, oldest first (empty for a machine that the challenge does not know).

    >>> years_of("ToothBrush"), years_of("MyPump"), years_of("SynthFan")
    (('2024', '2026'), (), ('2024', '2026'))
    """
    if machine.startswith(SYNTHETIC_PREFIX):
        bare = machine.removeprefix(SYNTHETIC_PREFIX).lower()
        return SYNTHETIC_YEARS if bare in (known.lower() for known in YEARS["2024"].machines) else ()
    return tuple(name for name, year in YEARS.items() if machine in year.machines)
