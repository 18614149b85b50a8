"""README is true: its commands run, and print what it shows.

`python -m tests.test_readme` runs the tour and writes its output into README.md. The test runs it again and compares, numbers
left aside: they differ in the last digits between machines.
"""

import contextlib
import io
import os
import re
import sys
import tempfile
from pathlib import Path

from submission.cli import main
from submission.demo import TEAM
from zoo import console

README = Path(__file__).parents[1] / "README.md"
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
WIDTH = 120


def tour() -> tuple[str, str, str]:
    """README before, in and after its tour."""
    before, rest = README.read_text().split("<!-- tour:", 1)
    inside, after = rest.split("<!-- end of tour -->", 1)
    return f"{before}<!-- tour:", inside, f"<!-- end of tour -->{after}"


def commands(text: str) -> list[str]:
    return [line[2:] for block in BLOCK.findall(text) for line in block.splitlines() if line.startswith("$ ")]


def run(command: str) -> str:
    """What `$ asdzoo ...` prints, stdout and stderr together."""
    program, *arguments = command.split("#")[0].split()
    assert program == "asdzoo"
    printed = io.StringIO()
    consoles = [(each, each._file, each._width) for each in (console.out, console.err)]
    for each, _, _ in consoles:
        each._file, each._width = printed, WIDTH
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            assert main(arguments) == 0, printed.getvalue()
    finally:
        for each, file, width in consoles:
            each._file, each._width = file, width
    if "--init" in arguments:
        Path("team.yaml").write_text(TEAM)
    return "\n".join(line.rstrip() for line in printed.getvalue().strip().splitlines())


def with_output(text: str) -> str:
    """`text` with the output of each command of its blocks put in."""

    def filled(block: re.Match[str]) -> str:
        parts = [f"$ {command}\n{run(command)}" for command in commands(block.group(0))]
        return "```console\n" + "\n".join(parts).replace("\n\n", "\n") + "\n```"

    return BLOCK.sub(filled, text)


def skeleton(text: str) -> list[str]:
    """Words, sorted: numbers, the widths and orders that follow from them, and warnings about them differ between machines."""
    text = re.sub(r"^(warning: |\S+ \(\S+\): step \d+ of ).*$", "", text, flags=re.MULTILINE)
    return sorted(re.sub(r"[\d.,+\s─━│┃┏┓┗┛┡┩└┘├┤┬┴┼╇┳┻╋-]+", " ", text).split())


def test_the_tour_prints_what_readme_shows(tmp_path: Path) -> None:
    _, inside, _ = tour()
    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        assert skeleton(with_output(inside)) == skeleton(inside)
    finally:
        os.chdir(before)


def test_every_make_target_of_readme_exists() -> None:
    makefile = (README.parent / "Makefile").read_text()
    for target in re.findall(r"make ([a-z-]+)", "".join(BLOCK.findall(README.read_text()))):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_table_of_systems_and_the_dependencies_are_complete() -> None:
    text = README.read_text()
    systems = (README.parent / "docs" / "systems.md").read_text()
    for path in (README.parent / "configs" / "systems").glob("*.yaml"):
        assert path.stem.endswith("_tiny") or f"| `{path.stem}` |" in systems, path.stem
    declared = (README.parent / "pyproject.toml").read_text().split("dependencies = [")[1].split("]")[0]
    for package in re.findall(r'"([A-Za-z_-]+)>=', declared):
        assert re.search(rf"^\|.*\b{package}\b.*\|", text, re.MULTILINE), f"README does not say why {package} is needed"


def test_every_page_is_linked_and_every_link_leads_somewhere() -> None:
    pages = {page.name for page in (README.parent / "docs").glob("*.md")}
    linked = set()
    for text, folder in (
        (README.read_text(), README.parent),
        *((page.read_text(), page.parent) for page in README.parent.glob("docs/*.md")),
    ):
        for target in re.findall(r"\]\(([\w./-]+\.md)\)", text):
            assert (folder / target).exists(), target
            linked.add(Path(target).name)
    assert pages <= linked


if __name__ == "__main__":
    before, inside, after = tour()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        README.write_text(before + with_output(inside) + after)
    sys.exit(0)
