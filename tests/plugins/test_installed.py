"""A plugin package from a folder is installed into a fresh place, and a system with it goes through every command."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from submission.demo import TEAM
from tests.zoo.trees import write_tree
from zoo import plugins, registry
from zoo.running.folder import Run

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SYSTEM = """\
base: log_mel_knn
detector: {name: pyod, class: nearest.Nearest}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the plugin and a stand-in for PyOD are installed, beside nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index"]
    packages = [str(HERE / "asdzoo_pyod"), str(HERE / "pyod_stand_in")]
    ended = subprocess.run([*pip, "--no-build-isolation", "--target", str(folder), *packages], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return folder


def run(place: Path, where: Path, *command: str) -> str:
    """What a Python with the plugin on its path prints."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(place), str(ROOT)])}
    ended = subprocess.run([sys.executable, *command], cwd=where, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def asdzoo(place: Path, where: Path, *commands: str) -> str:
    """What commands print, one after another in one process."""
    program = "import sys; from submission.cli import main; sys.exit(any(main(line.split()) for line in sys.argv[1:]))"
    return run(place, where, "-c", program, *commands)


@pytest.mark.slow  # a fresh process, which imports everything anew
def test_a_system_with_a_plugin_goes_through_every_command(place: Path, tmp_path: Path) -> None:
    data = write_tree(tmp_path, "2024", train=10, seconds=0.5)
    (tmp_path / "outlier.yaml").write_text(SYSTEM)
    (tmp_path / "team.yaml").write_text(TEAM)
    printed = asdzoo(
        place,
        tmp_path,
        "list",
        f"train-all --data {data} --run run --systems outlier.yaml --device cpu",
        f"score --data {data} --run run --device cpu",
        "submit --run run --ensemble outlier --partial",
    )
    assert "package asdzoo-pyod" in printed
    assert "the plugin" not in printed
    table = Run(tmp_path / "run").scores("outlier").frame
    assert table.groupby("split").size().to_dict() == {"test": 16, "train": 20}
    assert table["score"].gt(0).all()
    (package,) = (tmp_path / "run/submission").glob("*.zip")
    with zipfile.ZipFile(package) as archive:
        (meta,) = [name for name in archive.namelist() if name.endswith(".meta.yaml")]
        assert "outlier detection (PyOD)" in archive.read(meta).decode()


@pytest.mark.slow
def test_the_plugins_own_tests_pass(place: Path, tmp_path: Path) -> None:
    tests, settings = HERE / "asdzoo_pyod" / "test_asdzoo_pyod.py", tmp_path / "pytest.ini"
    settings.write_text("[pytest]\naddopts = -p no:cacheprovider --noconftest --import-mode=importlib -W error\n")
    assert " passed" in run(place, tmp_path, "-m", "pytest", "-q", "-c", str(settings), str(tests))


def test_the_page_shows_the_plugin_as_it_is() -> None:
    page = (ROOT / "docs" / "plugins.md").read_text()
    for name in ("asdzoo_pyod.py", "pyproject.toml", "test_asdzoo_pyod.py"):
        text = (HERE / "asdzoo_pyod" / name).read_text()
        assert text in page, f"docs/plugins.md shows another {name}"
        assert len(text.splitlines()) < 60


def test_the_page_names_every_kind_and_all_that_plugins_import() -> None:
    page = (ROOT / "docs" / "plugins.md").read_text()
    for kind, room in registry.ROOMS.items():
        (row,) = [line for line in page.splitlines() if line.startswith(f"| {kind} ")]
        assert f"`asdzoo.{room.folder}`" in row
        assert all(f"`{name}" in row for name in room.defines)
    assert all(hasattr(plugins, name) for name in plugins.__all__)
