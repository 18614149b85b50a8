"""Machine groups: which machines sound alike enough to share a flow (NF-CDEE) or a weight vector (fusion).

The groups are data, `configs/groups.yaml`. Source: THUEE technical report for DCASE 2024 Task 2, section 2.1.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from zoo.config import load_yaml, shipped_configs
from zoo.data.years import SYNTHETIC_PREFIX
from zoo.errors import AsdzooError, unknown_name

EMULATED_SUFFIX = "Emu"  # 2026: bearingEmu is an emulated bearing


@cache
def load_groups(path: Path | None = None) -> dict[str, tuple[str, ...]]:
    """Group name -> machine names, from `configs/groups.yaml` or another file of that form.

    Raises: AsdzooError when the file is not of that form, or files a machine twice.
    """
    path = path or shipped_configs() / "groups.yaml"
    groups = load_yaml(path)
    well_formed = all(
        isinstance(machines, list) and all(isinstance(machine, str) for machine in machines) for machines in groups.values()
    )
    if not well_formed:
        raise AsdzooError(f"{path} is not a mapping from group to list of machines", "see configs/groups.yaml for the form")
    filed = [machine for machines in groups.values() for machine in machines]
    twice = sorted({machine for machine in filed if filed.count(machine) > 1})
    if twice:
        raise AsdzooError(f"{path} files {', '.join(twice)} in two groups", "leave each machine in one group")
    return {str(group): tuple(machines) for group, machines in groups.items()}


def group_of(machine: str, extra: Mapping[str, str] | None = None) -> str:
    """Group of a machine; a machine in no group is a group of its own, under its own name.

    `extra` maps machines to groups and wins over the shipped list (`--group MyPump=periodic`).

    >>> group_of("gearbox"), group_of("SynthGearbox"), group_of("gearboxEmu"), group_of("MyPump")
    ('periodic', 'periodic', 'periodic', 'MyPump')
    """
    if extra and machine in extra:
        return extra[machine]
    bare = machine.removeprefix(SYNTHETIC_PREFIX).removesuffix(EMULATED_SUFFIX).lower()
    for group, machines in load_groups().items():
        if bare in (known.lower() for known in machines):
            return group
    return machine


def parse_assignments(assignments: Iterable[str]) -> dict[str, str]:
    """`["MyPump=periodic"]` as a mapping. Raises: AsdzooError for another form or an unknown group.

    >>> parse_assignments(["MyPump=periodic"])
    {'MyPump': 'periodic'}
    """
    extra = {}
    for assignment in assignments:
        machine, equals, group = assignment.partition("=")
        if not (machine and equals and group):
            raise AsdzooError(f"--group {assignment} is not MACHINE=GROUP", "for example --group MyPump=periodic")
        if group not in load_groups():
            raise unknown_name("group", group, load_groups())
        extra[machine] = group
    return extra
