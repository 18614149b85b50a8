"""The metadata file `LABEL.meta.yaml` of one system: its schema, and how it is written.

The keys are those of the 2022 template and of a 2025 participant's file. Unknown keys are let through here, because templates
of other years were not seen; `check` warns about them.
"""

import re
import unicodedata
from typing import Annotated, Any

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StrictBool,
    StrictFloat,
    StrictStr,
    Tag,
    field_validator,
    model_validator,
)

from submission.checking.rules import MAX_ABBREVIATION, MAX_SYSTEMS, TASK

_LABEL = re.compile(r"(?P<lastname>(?:-|[^\W_])+)_(?P<institute>(?:-|[^\W_])+)_task(?P<task>\d+)_(?P<index>\d+)")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
LABEL_FORM = f"LASTNAME_INSTITUTE_{TASK}_INDEX with INDEX 1 to {MAX_SYSTEMS}, as in Jiang_THUEE_{TASK}_1"


class Block(BaseModel):
    """A block of the metadata; keys that are not declared are kept."""

    model_config = ConfigDict(frozen=True, extra="allow")


Text = Annotated[StrictStr, Field(min_length=1)]
Count = Annotated[StrictFloat, Field(ge=0, allow_inf_nan=False)]  # whole numbers as well, text never; 0 of k-NN on spectra


class Affiliation(Block):
    institution: Text
    department: StrictStr | None = None
    location: StrictStr | None = None


ONE, SEVERAL = "one", "several"  # names of the branches, as pydantic puts them into the place of an error
Affiliations = Annotated[
    Annotated[Affiliation, Tag(ONE)] | Annotated[list[Affiliation], Tag(SEVERAL)],
    Discriminator(lambda value: SEVERAL if isinstance(value, list) else ONE),
]


class Author(Block):
    lastname: Text
    firstname: Text
    email: Text
    corresponding: StrictBool = False
    affiliation: Affiliations

    @field_validator("email")
    @classmethod
    def _form(cls, email: str) -> str:
        if not _EMAIL.fullmatch(email):
            raise ValueError(f"{email!r} is no e-mail address")
        return email


class Submission(Block):
    label: Text
    name: Text
    abbreviation: Text
    authors: Annotated[list[Author], Field(min_length=1)]

    @field_validator("label")
    @classmethod
    def _grammar(cls, label: str) -> str:
        problem = label_problem(label)
        if problem:
            raise ValueError(problem)
        return label

    @field_validator("abbreviation")
    @classmethod
    def _short(cls, abbreviation: str) -> str:
        if len(abbreviation) > MAX_ABBREVIATION:
            raise ValueError(
                f"{abbreviation!r} has {len(abbreviation)} characters, at most {MAX_ABBREVIATION} fit the result table"
            )
        return abbreviation

    @model_validator(mode="after")
    def _one_corresponding(self) -> "Submission":
        corresponding = sum(author.corresponding for author in self.authors)
        if corresponding != 1:
            raise ValueError(
                f"{corresponding} of {len(self.authors)} authors are marked `corresponding: true`, it must be exactly one"
            )
        return self


class Complexity(Block):
    total_parameters: Count
    MACS: Count | None = None


class External(Block):
    """A data set; both values are null in a template that was left as it is, which says that there is none."""

    name: Text | None
    url: StrictStr | None = None

    @model_validator(mode="after")
    def _has_a_name(self) -> "External":
        if self.name is None and self.url is not None:
            raise ValueError(f"external data at {self.url!r} without a name")
        return self


class System(Block):
    description: dict[str, Any]
    complexity: Complexity
    external_datasets: list[External] | None = None
    source_code: StrictStr | None = None


class Results(Block):
    development_dataset: dict[str, Any] | None = None


class Meta(Block):
    """One `meta.yaml`."""

    submission: Submission
    system: System
    results: Results | None = None


def label_problem(label: str) -> str:
    """What is wrong with a label, in words; "" when nothing is."""
    match = _LABEL.fullmatch(label)
    if not match:
        parts = label.count("_") + 1
        many = f", this has {parts} parts" if parts != 4 else ""
        return f"label {label!r} is not {LABEL_FORM}{many}"
    if match["task"] != TASK.removeprefix("task"):
        return f"label {label!r} is of task {match['task']}, not of {TASK}"
    if match["index"] not in {str(index) for index in range(1, MAX_SYSTEMS + 1)}:
        return f"label {label!r} has index {match['index']}; a team has at most {MAX_SYSTEMS} systems, 1 to {MAX_SYSTEMS}"
    return ""


def label_of(team: str, index: int) -> str:
    """The label of a team's system; `team` is its first two parts.

    >>> label_of("Xiao_HEU-HIT", 2)
    'Xiao_HEU-HIT_task2_2'
    """
    return f"{team}_{TASK}_{index}"


def label_part(text: str) -> str:
    """A last name or an institute as it stands in a label: letters without accents, digits and hyphens.

    >>> label_part("van der Müller")
    'vanderMuller'
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9-]+", "", plain)


class _Dumper(yaml.SafeDumper):
    """Indents lists, as the template does, and never writes an alias."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        return super().increase_indent(flow, False)


def dump(meta: dict[str, Any], comment: str = "") -> str:
    """`meta` as YAML text, keys in their given order, under a comment line."""
    text = yaml.dump(meta, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120, default_flow_style=False)
    return (f"# {comment}\n" if comment else "") + text
