"""Machine groups are data, and every challenge machine of 2024 is filed."""

from pathlib import Path

import pytest

from zoo.data.groups import group_of, load_groups, parse_assignments
from zoo.data.synth.fleet import DEV, EVAL
from zoo.data.years import YEARS
from zoo.errors import AsdzooError


def test_every_machine_of_2024_is_in_one_group() -> None:
    filed = [machine for machines in load_groups().values() for machine in machines]
    assert sorted(filed) == sorted(YEARS["2024"].machines)


def test_a_synthetic_machine_is_in_the_group_of_the_real_one() -> None:
    for machine in (*DEV, *EVAL):
        assert group_of(machine.name) in load_groups(), machine.name
    assert group_of("SynthSlider") == "periodic"


def test_an_assignment_wins_over_the_list() -> None:
    assert group_of("fan", parse_assignments(["fan=periodic"])) == "periodic"
    assert group_of("MyPump", {}) == "MyPump"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [x]\nb: [x]\n", "files x in two groups"),
        ("a: x\n", "not a mapping from group to list"),
        ("- a\n", "holds no mapping"),
        ("a: [", "no valid YAML"),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "groups.yaml"
    path.write_text(text)
    with pytest.raises(AsdzooError, match=message):
        load_groups(path)
