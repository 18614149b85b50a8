"""What each challenge year asks of a submission: data, one record per year.

Machines and sections of a year stand in `zoo.data.years`. Sources: the submission pages, the organisers' evaluators (2021 to
2024) and packages that were really submitted. What only participants' files show is in `unverified`, and is warned about, never
refused.
"""

from dataclasses import dataclass, field
from itertools import product

from zoo.data.years import OWN, YEARS
from zoo.errors import unknown_name

TASK = "task2"  # folder in the zip, and tag in the label
MAX_SYSTEMS = 4
MOST_READ = 2 * MAX_SYSTEMS  # systems of a package that are read; of more only the number is told
MAX_ABBREVIATION = 10  # characters; the column of the result table
PAUC_FLOOR = 100 * 0.5 * (1 - 0.005 / 0.095)  # per cent: the least a McClish-standardised pAUC (p = 0.1) can be

DESCRIPTION = (  # keys of system.description, in the order of the 2022 template
    "input_sampling_rate",
    "data_augmentation",
    "front_end",
    "acoustic_features",
    "embeddings",
    "machine_learning_method",
    "aggregation_method",
    "domain_adaptation_method",
    "domain_generalization_method",
    "ensemble_method_subsystem_count",
    "decision_making",
    "attribute_usage",
    "external_data_usage",
    "development_data_usage",
)
_NOT_YET_2020 = ("domain_adaptation_method", "domain_generalization_method", "attribute_usage")
_NOT_YET_2021 = ("domain_generalization_method", "attribute_usage")
DESCRIPTION_2020 = tuple(key for key in DESCRIPTION if key not in _NOT_YET_2020)
DESCRIPTION_2021 = tuple(key for key in DESCRIPTION if key not in _NOT_YET_2021)


@dataclass(frozen=True, order=True)
class Part:
    """What one score file covers: the evaluation clips of a machine in a section (and, in 2021, in a domain)."""

    machine: str
    section: str
    domain: str = ""  # "" unless the year's file names say it

    def __str__(self) -> str:
        return " ".join(filter(None, (self.machine, self.section, self.domain)))


@dataclass(frozen=True)
class Rules:
    """What one year asks. In file names `{machine}`, `{section}` and, in 2021, `{domain}` stand for their values."""

    year: str
    score_file: str = "anomaly_score_{machine}_section_{section}_test.csv"
    decision_file: str | None = "decision_result_{machine}_section_{section}_test.csv"
    also_read: tuple[str, ...] = ()  # other spellings that were accepted, without `anomaly_score_` or `decision_result_`
    domains: tuple[str, ...] = ()  # domains with files of their own
    clip_form: str = "section_{section}_0000.wav"  # what a blind clip is called
    sections_of: dict[str, tuple[str, ...]] = field(default_factory=dict)  # evaluation sections of a machine, where they differ
    description: tuple[str, ...] = DESCRIPTION
    external_datasets: bool = True  # whether the template has that key
    results: tuple[str, ...] = ("auc_source", "auc_target", "pauc")  # keys of each machine, per cent
    unverified: tuple[str, ...] = ()

    @property
    def clips_per_part(self) -> int | None:
        """Evaluation clips of each part; None where parts differ."""
        return YEARS[self.year].test_clips if self.year in YEARS else None

    @property
    def machines(self) -> tuple[str, ...]:
        """Machines that the year's evaluation set has."""
        return YEARS[self.year].evaluation if self.year in YEARS else ()

    def parts(self) -> list[Part]:
        """Every part that a complete submission covers, sorted; empty for recordings that are not the challenge's."""
        if self.year not in YEARS:
            return []
        return sorted(
            Part(machine, section, domain)
            for machine in self.machines
            for section, domain in product(
                self.sections_of.get(machine, YEARS[self.year].evaluation_sections), self.domains or ("",)
            )
        )

    def score_name(self, part: Part) -> str:
        """Name of the file with the scores of `part`."""
        return self.score_file.format(machine=part.machine, section=part.section, domain=part.domain)

    def decision_name(self, part: Part) -> str | None:
        """Name of the file with the decisions of `part`; None in a year without decisions."""
        if self.decision_file is None:
            return None
        return self.decision_file.format(machine=part.machine, section=part.section, domain=part.domain)


_NO_TEMPLATE = "no official metadata template of this year was seen: its keys are taken to be those of 2022"

RULES: dict[str, Rules] = {
    "2020": Rules(
        "2020",
        score_file="anomaly_score_{machine}_id_{section}.csv",
        decision_file=None,
        clip_form="id_{section}_00000000.wav",
        sections_of={"ToyCar": ("05", "06", "07"), "ToyConveyor": ("04", "05", "06")},
        description=DESCRIPTION_2020,
        results=("averaged_auc", "averaged_pauc"),
    ),
    "2021": Rules(
        "2021",
        score_file="anomaly_score_{machine}_section_{section}_{domain}_test.csv",
        decision_file="decision_result_{machine}_section_{section}_{domain}_test.csv",
        domains=("source", "target"),
        clip_form="section_{section}_source_test_0000.wav",
        description=DESCRIPTION_2021,
        external_datasets=False,
        results=("harmonic_mean_auc", "harmonic_mean_pauc"),  # over the sections and domains of a machine
    ),
    "2022": Rules(
        "2022",
        also_read=("{machine}_section_{section}.csv",),  # the submission page's spelling; the evaluator reads `_test.csv`
        results=("harmonic_mean_auc_source", "harmonic_mean_auc_target", "harmonic_mean_pauc"),
    ),
    "2023": Rules("2023", unverified=(_NO_TEMPLATE,)),
    "2024": Rules("2024", unverified=(_NO_TEMPLATE,)),
    "2025": Rules("2025"),
    "2026": Rules("2026", unverified=(_NO_TEMPLATE,)),
    OWN: Rules(OWN, unverified=("recordings that are not the challenge's: the files are those of 2026",)),
}


def rules_of(year: str) -> Rules:
    """The rules of `year`. Raises: AsdzooError for a year that has none."""
    if year not in RULES:
        raise unknown_name("year", year, RULES)
    return RULES[year]
