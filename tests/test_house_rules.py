"""The layout of the house is a test: who imports whom, where each concern lives, how long a file may be."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = {"zoo": {"zoo"}, "fusion": {"zoo", "fusion"}, "submission": {"zoo", "fusion", "submission"}}
HOMES = {  # a library, and the only files that may import it
    "peft": {"zoo/layers/lora.py"},
    "imblearn": {"zoo/detectors/_smote.py"},
    "optuna": {"fusion/study.py"},
    "pyro": {"zoo/models/nf_cdee.py"},
    "soxr": {"zoo/data/wavs.py"},
    "soundfile": {"zoo/data/wavs.py", "zoo/data/synth/challenge.py", "submission/report/clips_inline.py"},
    "accelerate": {"zoo/training/devices.py", "zoo/training/loop.py", "zoo/running/stages.py", "zoo/running/pipeline.py"},
}
FILES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_rooms_import_only_to_the_left(path: Path) -> None:
    allowed = ROOMS[path.relative_to(ROOT).parts[0]]
    entered = {name.split(".")[0] for name in imports(path)} & set(ROOMS)
    assert entered <= allowed


def test_a_library_with_a_home_is_imported_there_alone() -> None:
    for path in FILES:
        name = str(path.relative_to(ROOT))
        for library in {imported.split(".")[0] for imported in imports(path)} & set(HOMES):
            assert name in HOMES[library], f"{name} imports {library}, which lives in {', '.join(sorted(HOMES[library]))}"


def test_every_home_exists() -> None:
    assert {home for homes in HOMES.values() for home in homes if not (ROOT / home).exists()} == set()


def test_no_file_is_two_ideas_long() -> None:
    long = {str(path.relative_to(ROOT)): count for path in FILES if (count := len(path.read_text().splitlines())) > 300}
    assert long == {}


def test_no_module_is_named_after_nothing() -> None:
    assert [path.name for path in FILES if path.stem in {"utils", "helpers", "common", "misc"}] == []


def test_only_command_lines_print() -> None:
    for path in FILES:
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        prints = [call.lineno for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]
        assert not prints or path.name.startswith("cli"), f"{path.relative_to(ROOT)}:{prints} prints"


def test_the_path_of_no_machine_stands_in_the_house() -> None:
    for path in FILES:
        for root in ("/home/", "/root/", "/Users/", "/mnt/", "/work/"):
            assert f'"{root}' not in path.read_text(), f"{path.relative_to(ROOT)} names {root}"
