"""`team.yaml`: what a submission must say and no run knows, written once by a person."""

import re
from pathlib import Path
from typing import Any, Self

from pydantic import Field, NonNegativeInt, field_validator, model_validator

from submission.checking.metadata import Author, External, label_part
from submission.checking.rules import MAX_ABBREVIATION
from zoo.config import Frozen, load_yaml, parse
from zoo.errors import AsdzooError, typed
from zoo.files import write_text

TEMPLATE = f"""\
# Who submits, for `asdzoo submit`. Everything else in the metadata comes from the run.
# The label of system 1 becomes LASTNAME_INSTITUTE_task2_1, with the last name of the corresponding author.

institute: YOUR-ABBR               # abbreviation of the corresponding author's institute: THUEE, HEU-HIT
name: YOUR-SYSTEM-NAME             # for the result tables; the name of the ensemble is put behind it
abbreviation: YOUR-SYS             # at most {MAX_ABBREVIATION} characters, {MAX_ABBREVIATION - 2} for several systems

authors:                           # in the order of the report; exactly one has `corresponding: true`
  - lastname: YOUR-LASTNAME
    firstname: YOUR-FIRSTNAME
    email: you@example.org
    corresponding: true
    affiliation:
      institution: YOUR-INSTITUTION
      department: null             # may stay null
      location: YOUR-CITY, Country

report: null                       # technical report, a PDF; relative to this file (`--report` wins)
source_code: null                  # URL
external_datasets: []              # besides AudioSet of the pretrained encoders: [{{name: ..., url: "https://..."}}]

# Optional: other words for single systems, by ensemble name.
# systems:
#   my_ensemble:
#     name: Periodic machines apart
#     abbreviation: NF+LoRA
#     description: {{attribute_usage: class labels}}
"""


class SystemWords(Frozen):
    """What a person says about one system; every field wins over what is generated."""

    name: str | None = None
    abbreviation: str | None = Field(default=None, max_length=MAX_ABBREVIATION)
    description: dict[str, Any] = Field(default={})  # keys of system.description
    total_parameters: NonNegativeInt | None = None  # for scores of systems that asdzoo did not train
    macs: NonNegativeInt | None = None


class Team(Frozen):
    """The content of `team.yaml`."""

    institute: str = Field(min_length=1)  # abbreviation in the label
    name: str = Field(min_length=1)  # of the team's method, for the result tables
    abbreviation: str = Field(min_length=1, max_length=MAX_ABBREVIATION)
    authors: list[Author] = Field(min_length=1)
    report: Path | None = None  # the technical report, relative to team.yaml
    source_code: str | None = None
    external_datasets: list[External] = Field(default=[])
    systems: dict[str, SystemWords] = Field(default={})  # ensemble name -> its own words

    @model_validator(mode="after")
    def _makes_a_label(self) -> Self:
        for text in (self.corresponding.lastname, self.institute):
            if not label_part(text):
                raise ValueError(f"nothing of {text!r} is left in a label, which has letters a to z, digits and hyphens")
        return self

    @field_validator("authors")
    @classmethod
    def _one_corresponding(cls, authors: list[Author]) -> list[Author]:
        corresponding = sum(author.corresponding for author in authors)
        if corresponding != 1:
            raise ValueError(f"{corresponding} authors are marked `corresponding: true`, it must be exactly one")
        return authors

    @property
    def corresponding(self) -> Author:
        """The corresponding author, whose last name is in the label."""
        return next(author for author in self.authors if author.corresponding)

    @property
    def label_stem(self) -> str:
        """The first two parts of every label of the team."""
        return f"{label_part(self.corresponding.lastname)}_{label_part(self.institute)}"


def read_team(path: Path) -> Team:
    """The team in `path`, with `report` made relative to the working directory.

    Raises: AsdzooError when the file is absent, still has placeholders, or does not follow the schema.
    """
    if not path.exists():
        raise AsdzooError(
            f"no {path}: a submission must name its authors", f"run `asdzoo submit --init --team {typed(path)}` and fill it in"
        )
    values = load_yaml(path)
    left = sorted(set(re.findall(r"YOUR-[A-Z-]+|you@example\.org", str(values))))
    if left:
        raise AsdzooError(f"{path} is still to be filled in: {', '.join(left)}", "put your own words in their place")
    team = parse(Team, values, str(path))
    if team.report is not None and not team.report.is_absolute():
        team = team.model_copy(update={"report": path.parent / team.report})
    return team


def write_template(path: Path) -> None:
    """Write a commented `team.yaml`. Raises: AsdzooError when there is one already."""
    if path.exists():
        raise AsdzooError(f"{path} is there already", "edit it, or name another file with --team")
    write_text(path, TEMPLATE)
