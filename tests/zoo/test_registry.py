"""The registry: files of the rooms, plugins beside them, and plugins that are broken."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from submission.cli import main
from zoo import registry
from zoo.errors import AsdzooError

Install = Callable[..., None]
GOOD = "Config = METADATA = object\n\ndef build(config): ...\n"


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a distribution with entry points, and the modules that they name, on the path."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def put(package: str, points: dict[str, list[str]], **modules: str) -> None:
        info = tmp_path / f"{package.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = [line for group, entries in points.items() for line in (f"[asdzoo.{group}]", *entries)]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
        for name, text in modules.items():
            (tmp_path / f"{name}.py").write_text(text)
            monkeypatch.delitem(sys.modules, name, raising=False)

    return put


def test_the_rooms_are_listed_without_importing_them() -> None:
    assert registry.names("detector") == sorted(registry.names("detector"))
    assert {"knn", "gmm"} <= set(registry.names("detector"))
    assert "_banks" not in registry.names("detector")
    assert registry.entries("model")["nf_cdee"] == registry.Entry("model", "nf_cdee", "zoo.models.nf_cdee")


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in registry.KINDS for name in registry.names(kind)])
def test_every_module_of_a_room_defines_what_its_kind_does(kind: registry.Kind, name: str) -> None:
    assert registry.entries(kind)[name].tried() is registry.module(kind, name)


def test_an_unknown_name_lists_those_of_plugins_too(install: Install) -> None:
    install("louder", {"detectors": ["loud = loud_detector"]}, loud_detector=GOOD)
    with pytest.raises(AsdzooError, match=r"unknown detector 'loude' \(did you mean loud\?\)"):
        registry.module("detector", "loude")
    assert registry.module("detector", "loud").__name__ == "loud_detector"
    assert registry.problems() == []


def test_list_marks_what_comes_from_outside(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install("asd-louder", {"detectors": ["loud = loud_detector"]}, loud_detector=GOOD)
    assert main(["list"]) == 0
    shown = capsys.readouterr()
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in shown.out.splitlines()]
    assert ["detector", "loud", "package asd-louder"] in rows
    assert ["detector", "knn", "asdzoo"] in rows
    assert shown.err == ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import no_such_module_at_all\n", "No module named 'no_such_module_at_all'"),
        ("raise RuntimeError('first line\\nsecond line')\n", "first line"),
        ("raise RuntimeError\n", "RuntimeError"),
        ("Config = METADATA = object\n", "broken_part defines no build"),
        ("1 +\n", "invalid syntax"),
    ],
)
def test_a_broken_plugin_is_one_warning_and_an_error_for_who_asks(
    text: str, reason: str, install: Install, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    install(
        "badly", {"detectors": ["one = broken_part", "two = broken_part"], "models": ["net = broken_part"]}, broken_part=text
    )
    assert main(["list"]) == 0
    shown = capsys.readouterr()
    assert "mahalanobis" in shown.out
    warnings = shown.err.splitlines()
    assert len(warnings) == 1
    assert warnings[0].startswith("warning: the plugin badly: its model net cannot be used: ")
    assert warnings[0].count(reason) == 3
    system = tmp_path / "odd.yaml"
    system.write_text("base: nf_cdee_tiny\ndetector: {name: two}\n")
    assert main(["train-all", "--systems", str(system), "--data", str(tmp_path)]) == 2
    error, hint = capsys.readouterr().err.splitlines()
    assert error.startswith(f"error: {system}: the detector two of the package badly cannot be used: ")
    assert reason in error
    assert hint.endswith("pip uninstall badly")


def test_a_name_that_is_taken_is_said(install: Install) -> None:
    install("b-second", {"detectors": ["knn = second_part", "loud = second_part"]}, second_part=GOOD)
    install("a-first", {"detectors": ["loud = first_part"]}, first_part=GOOD)
    assert registry.entries("detector")["loud"].package == "a-first"
    assert registry.module("detector", "knn").__name__ == "zoo.detectors.knn"
    assert registry.problems() == [
        "the plugin b-second: its detector knn is hidden by that of the zoo; "
        "its detector loud is hidden by that of the package a-first"
    ]
