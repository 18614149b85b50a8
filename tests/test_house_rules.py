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
    "pytest": {f"zoo/contracts/{name}.py" for name in ("__init__", "detectors", "encoders", "models")},
    "optuna": {"fusion/study.py", "fusion/storage.py"},
    "pyro": {"zoo/models/nf_cdee.py"},
    "submitit": {"zoo/running/executors/slurm.py"},
    "soxr": {"zoo/data/decoding.py"},
    "soundfile": {f"zoo/data/{name}.py" for name in ("decoding", "wavs", "synth/challenge")}
    | {"submission/report/clips_inline.py"},
    "accelerate": {"zoo/training/devices.py", "zoo/training/loop.py"}
    | {f"zoo/running/{name}.py" for name in ("stages", "work", "timing", "pipeline", "executors/here")},
}
FILES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))

GROUND = "ground"
FLOORS = [  # from the ground up; rooms of one floor know nothing of each other, files on the ground do
    {GROUND},
    {"data", "features", "layers", "losses", "views", "checkpoints"},
    {"networks", "scores", "odd_scores", "papers"},
    {"encoders", "calibration", "threshold"},
    {"models"},
    {"training", "detectors"},
    {"hearing", "classes"},
    {"pseudo_labels"},
    {"systems"},
    {"running"},
    {"api", "contracts", "plugins"},
    {"cli", "__main__"},
]
ON_THE_GROUND = {
    "autocast",
    "errors",
    "files",
    "formulas",
    "console",
    "yaml_reading",
    "config",
    "registry",
    "progress",
    "metadata",
    "legacy",
}
SUBMISSION = [{"checking"}, {"writing"}, {"report"}, {"demo"}, {"cli"}, {"start"}]


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            yield from (f"{module}.{alias.name}" for alias in node.names) if module in ROOMS else (module,)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_rooms_import_only_to_the_left(path: Path) -> None:
    allowed = ROOMS[path.relative_to(ROOT).parts[0]]
    entered = {name.split(".")[0] for name in imports(path)} & set(ROOMS)
    assert entered <= allowed


def room_of(name: str) -> str:
    """The room of a file or module below zoo/ or submission/, by the part of its name behind the first dot."""
    return GROUND if name in ON_THE_GROUND else "cli" if name.startswith("cli_") else name


@pytest.mark.parametrize(("house", "floors"), [("zoo", FLOORS), ("submission", SUBMISSION)])
def test_nothing_points_to_a_higher_floor(house: str, floors: list[set[str]]) -> None:
    height = {room: number for number, rooms in enumerate(floors) for room in rooms}
    wrong = []
    for path in FILES:
        name = path.relative_to(ROOT)
        if name.parts[0] != house or (len(name.parts) == 2 and path.stem == "__init__"):
            continue
        own = room_of(name.with_suffix("").parts[1])
        assert own in height, f"{name} has no floor: write it into the list of tests/test_house_rules.py"
        for module in imports(path):
            there = module.split(".")
            if there[0] != house or len(there) == 1:
                continue
            entered = room_of(there[1])
            if entered != own and height.get(entered, len(floors)) >= height[own]:
                wrong.append(f"{name} ({own}) imports {module}")
    assert wrong == []


def test_every_room_says_what_lives_in_it() -> None:
    for path in FILES:
        if path.name == "__init__.py":
            said = ast.get_docstring(ast.parse(path.read_text()))
            assert said, f"{path.relative_to(ROOT)} does not say what lives there"


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


def test_progress_is_one_word_for_one_thing() -> None:
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.name] if isinstance(node, ast.ClassDef) else []
            if isinstance(node, ast.Assign):
                names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            assert "Progress" not in names or path == ROOT / "zoo" / "progress.py", f"{path.relative_to(ROOT)}:{node.lineno}"


def test_only_command_lines_print() -> None:
    for path in FILES:
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        prints = [call.lineno for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]
        shows = path.stem == "cli" or path.stem.startswith("cli_") or "cli" in path.parts
        assert shows or not prints, f"{path.relative_to(ROOT)}:{prints} prints"
        shows = shows or path.stem in {"display", "demo"}
        assert shows or "zoo.console" not in imports(path), f"{path.relative_to(ROOT)} prints, which commands and displays do"


def test_yaml_is_read_in_one_place() -> None:
    """Only there it is bounded; anyone may write it."""
    for path in FILES:
        text = path.read_text()
        reads = [word for word in ("yaml.load", "yaml.safe_load", "yaml.full_load", "SafeLoader") if word in text]
        assert not reads or path == ROOT / "zoo" / "yaml_reading.py", f"{path.relative_to(ROOT)}: {reads}; call read_yaml"


def test_the_path_of_no_machine_stands_in_the_house() -> None:
    for path in FILES:
        for root in ("/home/", "/root/", "/Users/", "/mnt/", "/work/"):
            assert f'"{root}' not in path.read_text(), f"{path.relative_to(ROOT)} names {root}"
