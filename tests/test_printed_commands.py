"""Every command and option that a message, hint or docstring names exists: no hint leads nowhere."""

import ast
import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer

from submission.cli import app

ROOT = Path(__file__).parents[1]
FILES = sorted(path for room in ("zoo", "fusion", "submission") for path in (ROOT / room).rglob("*.py"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
HOLE = "HOLE"  # stands for what an f-string fills in
QUOTED = re.compile(r"`(asdzoo[^`]*)`")
BARE = re.compile(r"(?:^|\bnext: |, or |; or )(asdzoo [a-z][^,;(`\n]*?)(?= shows\b|[,;(`\n]|$)", re.MULTILINE)
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
OF_OTHERS = {"--extra", "--index-url", "--no-deps", "--upgrade"}  # of pip, huggingface-cli, ...
PROGRAM: Any = typer.main.get_command(app)


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Every string of a file, with the holes of its f-strings filled, and the line it stands in."""
    tree = ast.parse(path.read_text())
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [str(part.value) if isinstance(part, ast.Constant) else HOLE for part in node.values]
            yield node.lineno, "".join(parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.lineno, node.value


def named_commands(text: str) -> list[str]:
    """The commands in a text: those in backticks, and those that are a whole hint or follow "next:"."""
    return [*QUOTED.findall(text), *BARE.findall(QUOTED.sub("", text))]


def fault(command: str) -> str | None:
    """What the program itself has against a command line; what is asked for may be missing, what is named must exist."""
    words = [word.strip("[]") for word in shlex.split(command.replace("...", ""))][1:]
    at, context = PROGRAM, PROGRAM.context_class(PROGRAM, info_name="asdzoo")
    while words and hasattr(at, "commands"):
        if words[0].startswith("-") or words[0] == HOLE:
            break
        if (below := at.commands.get(words[0])) is None:
            return f"there is no command {words[0]}"
        at, context, words = below, below.context_class(below, info_name=words[0], parent=context), words[1:]
    try:
        _, rest, _ = at.make_parser(context).parse_args([word for word in words if word != "--debug"])
    except Exception as problem:
        return str(getattr(problem, "message", problem))
    return f"{at.name} takes no {' '.join(rest)}" if rest and not hasattr(at, "commands") else None


FILLED = re.compile(r"(?:--(?:run|data|out|team|cluster|scored)|\basdzoo [a-z-]+|\bmv|\bmkdir|\bunzip|(?<=zip)\)? -d) $")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_paths_in_printed_commands_are_quoted(path: Path) -> None:
    unquoted = []
    for node in ast.walk(ast.parse(path.read_text())):
        for before, hole in pairwise(node.values) if isinstance(node, ast.JoinedStr) else ():
            command = isinstance(before, ast.Constant) and FILLED.search(str(before.value))
            typed = isinstance(hole, ast.FormattedValue) and ast.unparse(hole.value).startswith("typed(")
            if command and not typed:
                unquoted.append(f"line {hole.lineno}: {ast.unparse(hole)}")
    assert unquoted == []


def known_options() -> set[str]:
    found, waiting = {"--debug", "--help"}, [PROGRAM]
    while waiting:
        command = waiting.pop()
        found |= {option for parameter in command.params for option in parameter.opts}
        waiting += getattr(command, "commands", {}).values()
    return found


def test_commands_that_are_printed_exist() -> None:
    found = [
        (path.relative_to(ROOT), line, command)
        for path in FILES
        for line, text in texts(path)
        for command in named_commands(text)
    ]
    found += [(page.relative_to(ROOT), 0, command) for page in PAGES for command in QUOTED.findall(page.read_text())]
    wrong = [f"{path}:{line}: `{command}`: {said}" for path, line, command in found if (said := fault(command))]
    assert wrong == []
    assert len(found) > 60


def test_options_that_are_printed_exist() -> None:
    known = known_options() | OF_OTHERS
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {option}"
        for path in FILES
        for line, text in texts(path)
        for option in OPTION.findall(text)
        if option not in known
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("asdzoo score --systems HOLE", "--systems"),
        ("asdzoo fly", "no command fly"),
        ("asdzoo weights lost", "no command lost"),
        ("asdzoo scan a b", "takes no"),
        ("asdzoo score --run", "--run"),
    ],
)
def test_wrong_commands_are_found(command: str, said: str) -> None:
    assert said in str(fault(command))


@pytest.mark.parametrize("command", ["asdzoo", "asdzoo --help", "asdzoo weights list", "asdzoo score --run HOLE/a --debug"])
def test_right_commands_pass(command: str) -> None:
    assert fault(command) is None


def test_commands_are_found_in_texts() -> None:
    assert named_commands("run `asdzoo scan DATA`, or not") == ["asdzoo scan DATA"]
    assert named_commands("next: asdzoo evaluate --run r, or asdzoo fuse --run r") == [
        "asdzoo evaluate --run r",
        "asdzoo fuse --run r",
    ]
    assert named_commands("asdzoo weights list shows them") == ["asdzoo weights list"]
    assert named_commands("another asdzoo command is writing") == []
