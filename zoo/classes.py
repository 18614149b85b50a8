"""What a label is: the auxiliary task of every discriminative system is to tell these classes apart."""

from typing import Any, Literal

from pydantic import model_validator

from zoo.config import Frozen
from zoo.data.clips import Clip


class ClassesConfig(Frozen):
    """A class is (year, machine, section), or those and the attributes; and on request the domain."""

    of: Literal["attributes", "machine"] = "attributes"
    domain: bool = False  # source and target are classes of their own, as in the public systems of 2023 to 2026

    @model_validator(mode="before")
    @classmethod
    def _word(cls, value: Any) -> Any:
        """`classes: attributes` for `classes: {of: attributes}`."""
        return {"of": value} if isinstance(value, str) else value


def class_of(clip: Clip, config: ClassesConfig, told: str | None = None) -> str:
    """The class that a clip teaches; `told` is the pseudo-label of a clip whose attributes nobody tells.

    A machine without attributes is one class, or one for each domain; supplemental clips of the machine alone are one more,
    since nobody tells their attributes either.
    """
    parts = [clip.year, clip.machine, clip.section]
    if config.of == "attributes":
        parts.append("clean" if clip.split == "supplemental" else clip.attributes or told or "")
    if config.domain:
        parts.append(clip.domain or "")
    return "/".join(parts)


def tells_nothing(name: str, config: ClassesConfig) -> bool:
    """Whether a class is a machine whose attributes nobody tells."""
    return config.of == "attributes" and name.split("/")[3:4] == [""]
