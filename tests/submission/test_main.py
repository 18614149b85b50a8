"""Exit codes and error messages: one line `error:`, one line `hint:`, no traceback."""

import errno
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
import typer

import submission.cli
import zoo
from submission.cli import main
from zoo.errors import AsdzooError

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Makes `asdzoo check` raise something."""

    def arrange(problem: BaseException) -> None:
        def fail(*_: object) -> None:
            raise problem

        monkeypatch.setattr("submission.checking.check.check", fail)

    return arrange


@pytest.mark.parametrize(
    ("arguments", "error", "hint"),
    [
        (["chekc"], "error: no such command 'chekc'. Did you mean 'check'?", "hint: run `asdzoo --help`"),
        (["check"], "error: missing argument 'FILE_OR_FOLDER'", "hint: run `asdzoo check --help`"),
        (["check", "x", "--yaer", "2024"], "error: no such option: --yaer", "hint: run `asdzoo check --help`"),
        (["submit", "--run"], "error: option '--run' requires an argument", "hint: run `asdzoo submit --help`"),
        (["submit", "--percentile", "x"], "error: invalid value for '--percentile'", "hint: run `asdzoo submit --help`"),
        (
            ["submit", "--threshold", "x"],
            "'x' is not one of 'gamma', 'normal', 'percentile'",
            "hint: run `asdzoo submit --help`",
        ),
        (["check", "a", "b"], "error: got unexpected extra argument", "hint: run `asdzoo check --help`"),
        (["--nonsense"], "error: no such option: --nonsense", "hint: run `asdzoo --help`"),
        (
            ["evaluate", "--package", "p.zip"],
            "error: a package and the truth belong together",
            "hint: asdzoo evaluate --package",
        ),
    ],
)
def test_usage_errors(arguments: list[str], error: str, hint: str, capsys: Capture) -> None:
    assert main(arguments) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert error in first
    assert first.startswith("error: ")
    assert second.startswith(hint)


def test_no_arguments_show_the_help(capsys: Capture) -> None:
    assert main([]) == 0
    shown = capsys.readouterr().out
    for command in ("scan", "train-all", "evaluate", "fuse", "submit", "check", "--debug"):
        assert command in shown


@pytest.mark.parametrize("option", ["-h", "--help"])
@pytest.mark.parametrize("command", [[], ["train-all"], ["weights", "check"]])
def test_help_has_a_short_name(command: list[str], option: str, capsys: Capture) -> None:
    assert main([*command, option]) == 0
    assert " ".join(["asdzoo", *command]) in capsys.readouterr().out


def test_version(capsys: Capture) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"asdzoo {zoo.__version__}\n"
    assert zoo.__version__ == version("asdzoo")


def test_shells_complete_commands_and_options(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setenv("_ASDZOO_COMPLETE", "complete_bash")
    for typed, completed in (("asdzoo tr", ["train-all"]), ("asdzoo score --da", ["--data"])):
        monkeypatch.setenv("COMP_WORDS", typed)
        monkeypatch.setenv("COMP_CWORD", str(typed.count(" ")))
        with pytest.raises(SystemExit) as ended:
            main([])
        assert ended.value.code == 0
        assert capsys.readouterr().out.split() == completed


def test_every_command_of_the_rooms_is_there_once() -> None:
    names = [info.name or str(info.callback and info.callback.__name__) for info in submission.cli.app.registered_commands]
    assert len(names) == len(set(names))
    assert {"submit", "check", "evaluate", "fuse"} <= set(names)


def test_user_errors_and_debug(raising: Callable[[BaseException], None], capsys: Capture) -> None:
    raising(AsdzooError("the disc is upside down", "turn it"))
    assert main(["check", "x"]) == 2
    assert capsys.readouterr().err == "error: the disc is upside down\nhint: turn it\n"
    assert main(["--debug", "check", "x"]) == 2
    assert "Traceback" in capsys.readouterr().err
    assert main(["check", "x", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_an_error_without_a_hint(raising: Callable[[BaseException], None], capsys: Capture) -> None:
    raising(AsdzooError("no"))
    assert main(["check", "x"]) == 2
    assert capsys.readouterr().err == "error: no\n"


@pytest.mark.parametrize("problem", [KeyboardInterrupt(), typer.Abort()])
def test_interrupted(problem: BaseException, raising: Callable[[BaseException], None], capsys: Capture) -> None:
    raising(problem)
    assert main(["check", "x"]) == 130
    assert capsys.readouterr().err == "interrupted: run the same command again to go on from here\n"


def test_exit_codes_pass_through(raising: Callable[[BaseException], None]) -> None:
    raising(typer.Exit(3))
    assert main(["check", "x"]) == 3


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOSPC, "free some disk space"),
        (errno.EACCES, "check the permissions"),
        (errno.EROFS, "read-only"),
        (errno.EIO, "look at"),
    ],
)
def test_the_system_says_no(number: int, hint: str, raising: Callable[[BaseException], None], capsys: Capture) -> None:
    raising(OSError(number, "It cannot be done", "some/file.csv"))
    assert main(["check", "x"]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("error: It cannot be done: some/file.csv\nhint: ")
    assert hint in shown


def test_a_bug_is_not_hidden(raising: Callable[[BaseException], None]) -> None:
    raising(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        main(["check", "x"])


def test_an_unwritable_folder(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "file").write_text("")
    assert main(["submit", "--init", "--team", str(tmp_path / "file" / "team.yaml")]) == 2
    assert capsys.readouterr().err.startswith("error: ")
