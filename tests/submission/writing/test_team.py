"""`team.yaml`: the template, and every way to fill it in wrongly."""

from pathlib import Path

import pytest
import yaml

from submission.checking.metadata import LABEL_FORM, label_of, label_problem
from submission.cli import main
from submission.writing.team import read_team
from tests.submission.conftest import TEAM
from zoo.errors import AsdzooError

FILLED = {
    "YOUR-ABBR": "THUEE",
    "YOUR-SYSTEM-NAME": "Zoo",
    "YOUR-SYS": "Zoo",
    "YOUR-LASTNAME": "Jiang",
    "YOUR-FIRSTNAME": "Anbai",
    "you@example.org": "a@b.cn",
    "YOUR-INSTITUTION": "Tsinghua University",
    "YOUR-CITY": "Beijing",
}


def test_init_writes_a_commented_template(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "team.yaml"
    assert main(["submit", "--init", "--team", str(path)]) == 0
    text = path.read_text()
    assert text.count("#") > 8
    assert "corresponding" in text
    capsys.readouterr()
    assert main(["submit", "--init", "--team", str(path)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert path.read_text() == text


def test_the_template_must_be_filled_in(tmp_path: Path) -> None:
    path = tmp_path / "team.yaml"
    main(["submit", "--init", "--team", str(path)])
    with pytest.raises(AsdzooError, match="still to be filled in: YOUR-ABBR, YOUR-CITY"):
        read_team(path)
    text = path.read_text()
    for placeholder, value in FILLED.items():
        assert placeholder in text
        text = text.replace(placeholder, value)
    path.write_text(text)
    assert read_team(path).label_stem == "Jiang_THUEE"
    commented = text.split("# systems:")[1].replace("\n# ", "\n")
    path.write_text(text + "systems:" + commented)
    assert set(read_team(path).systems) == {"my_ensemble"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("abbreviation: NF+LoRA", "abbreviation: NF+LoRA+more", "at most 10 characters"),
        ("    corresponding: true\n", "", "0 authors are marked"),
        ("    email: eva@c.de\n", "    email: eva@c.de\n    corresponding: true\n", "2 authors are marked"),
        ("email: a@b.cn", "email: nobody", "no e-mail address"),
        ("institute: THUEE\n", "", "institute is missing"),
        ("institute: THUEE", "institut: THUEE", "institut"),
        ("{institution: C}", "{department: C}", "institution"),
        ("institute: THUEE", "institute: 清华", "nothing of '清华' is left"),
        ("authors:", "authors: &a", ""),
    ],
)
def test_mistakes(old: str, new: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "team.yaml"
    assert old in TEAM
    path.write_text(TEAM.replace(old, new, 1))
    if not message:  # an anchor without an alias is harmless
        read_team(path)
        return
    with pytest.raises(AsdzooError) as caught:
        read_team(path)
    assert str(path) in caught.value.message
    assert message in caught.value.message + caught.value.hint


def test_the_report_is_relative_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "team.yaml"
    path.parent.mkdir()
    path.write_text(TEAM + "report: paper.pdf\n")
    assert read_team(path).report == tmp_path / "deep" / "paper.pdf"


@pytest.mark.parametrize(
    ("lastname", "label"),
    [
        ("Jiang", "Jiang_THUEE_task2_1"),
        ("Müller", "Muller_THUEE_task2_1"),
        ("van der Berg", "vanderBerg_THUEE_task2_1"),
        ("Garcia_Lopez", "GarciaLopez_THUEE_task2_1"),
        ("O'Neil-Smith", "ONeil-Smith_THUEE_task2_1"),
    ],
)
def test_labels_follow_the_grammar(lastname: str, label: str, tmp_path: Path) -> None:
    path = tmp_path / "team.yaml"
    content = yaml.safe_load(TEAM)
    content["authors"][0]["lastname"] = lastname
    path.write_text(yaml.safe_dump(content))
    team = read_team(path)
    assert label_of(team.label_stem, 1) == label
    assert label_problem(label) == ""


@pytest.mark.parametrize(
    ("label", "problem"),
    [
        ("Jiang_THUEE_task2_4", ""),
        ("Xiao_HEU-HIT_task2_3", ""),
        ("Jiang_THUEE_2_1", LABEL_FORM),
        ("Jiang THUEE_task2_1", "has 3 parts"),
        ("_THUEE_task2_1", LABEL_FORM),
        ("Jiang_THUEE_task2_1_final", "has 5 parts"),
        ("Jiang_THUEE_task4_1", "of task 4"),
        ("Jiang_THUEE_task2_9", "index 9"),
        ("Jiang_THUEE_task2_01", "index 01"),
        ("Ji/ang_THUEE_task2_1", LABEL_FORM),
    ],
)
def test_label_grammar(label: str, problem: str) -> None:
    assert (problem in label_problem(label)) if problem else label_problem(label) == ""
