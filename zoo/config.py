"""The base of every typed config: frozen, and refusing keys it does not know."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A config block. A field is documented by the comment beside it; defaults live there and nowhere else."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def shipped_configs() -> Path:
    """The folder `configs/`: inside the installed package, or at the top of a checkout."""
    installed = Path(__file__).parent / "_configs"
    return installed if installed.is_dir() else Path(__file__).parent.parent / "configs"
