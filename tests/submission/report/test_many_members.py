"""A report of a dozen systems: one below the other in tables, the clearest curves in figures."""

import re
from pathlib import Path

import pytest

from submission.cli import main
from tests.fusion.runs import make_run, make_table

MACHINES = ("fan", "gearbox", "slider")


def headings(table: str) -> list[str]:
    head = table.split("</thead>")[0]
    return [re.sub(r"<[^>]*>", "", cell).strip() for cell in re.findall(r"<th.*?</th>", head, re.DOTALL)]


def tables(page: str) -> dict[str, str]:
    """By the label of the region around it."""
    return dict(re.findall(r'aria-label="([^"]*)" tabindex="0">\s*(<table.*?</table>)', page, re.DOTALL))


@pytest.fixture
def page(tmp_path: Path) -> str:
    names = [f"system_{index:02d}" for index in range(12)]
    make_run(tmp_path, {name: make_table(name, dict.fromkeys(MACHINES, 0.5 + 0.1 * int(name[-2:]))) for name in names})
    assert main(["fuse", "--run", str(tmp_path), "--trials", "40", "--groups", "periodic"]) == 0
    assert main(["report", "--run", str(tmp_path)]) == 0
    return (tmp_path / "report.html").read_text()


def test_a_dozen_systems(page: str) -> None:
    found = tables(page)
    assert headings(found["Scores by machine"]) == ["system", *MACHINES]
    assert found["Scores by machine"].count("<tr>") == 1 + 13
    assert headings(found["Weights of fused"]) == ["member", "periodic", "others", *MACHINES]
    assert headings(found["What each member of fused brings"]) == ["member", *MACHINES]
    for name in ("Weights of fused", "What each member of fused brings"):
        assert found[name].count("<tr>") == 1 + len(set(re.findall(r"system_\d\d", found[name])))
    assert headings(found["Agreement"]) == ["system", *map(str, range(1, 14))]
    assert "Curves of the 10 best of 13 systems" in page
    assert "The other 3 systems" in page
    shown = re.findall(r'data-toggle="(\d+)"', page)
    assert len(set(shown)) == 10
    assert len(re.findall(r"Members of fused", page)) == 0
