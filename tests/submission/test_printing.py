"""Names of machines, files and folders are text: no markup, no control of the terminal, in any encoding of stdout."""

import io
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from submission.cli import main
from tests.submission.conftest import TEAM, MakeRun
from tests.submission.packages import REPORT
from tests.zoo.trees import write_tree
from zoo.console import out, print_json, table, visible, warn

ODD = "a [/b] [red] ✓\x1b[31m"  # two folders may be called so
SHOWN = r"a [/b] [red] ✓\x1b[31m"

Printed = Callable[[Sequence[str]], tuple[int, str, str]]


@pytest.fixture(params=["ascii", "cp1252", "utf-8"])
def printed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Printed]:
    """Runs one command with strict streams of an encoding; gives its exit code and what it wrote."""
    encoding = request.param

    def run(arguments: Sequence[str]) -> tuple[int, str, str]:
        streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict") for _ in range(2)]
        monkeypatch.setattr(sys, "stdout", streams[0])
        monkeypatch.setattr(sys, "stderr", streams[1])
        code = main(arguments)
        written = []
        for stream in streams:
            stream.flush()
            written.append(stream.buffer.getvalue().decode(encoding))  # type: ignore[attr-defined]
        assert all("\x1b" not in text for text in written)
        return code, written[0], written[1]

    yield run
    monkeypatch.undo()


def as_written(text: str, encoding: str) -> str:
    return text.encode(encoding, "replace").decode(encoding)


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    folder = tmp_path / ODD
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def run_folder(make_run: MakeRun, odd: Path, tmp_path: Path, report: Path) -> Path:
    """A run that can be submitted, in the odd folder."""
    weights = {"others": {"nf_cdee": 1.0}}
    run = make_run(development=["fan", "gearbox"], ensembles={"both": weights, "nf_cdee": weights})
    (run.folder / "ensembles" / "nf_cdee.yaml").unlink()  # what is no ensemble is a system
    shutil.move(run.folder, odd / "run")
    (odd / "paper.pdf").write_bytes(report.read_bytes())
    (odd / "team.yaml").write_text(TEAM)
    return odd / "run"


def test_every_command_of_a_finished_run(run_folder: Path, odd: Path, printed: Printed, request: pytest.FixtureRequest) -> None:
    shown = as_written(SHOWN, request.node.callspec.params["printed"])
    run, name = ["--run", str(run_folder)], "mine [b] ✓"
    for arguments in (
        ["evaluate", *run],
        ["fuse", *run, "--name", name, "--systems", "nf_cdee", "--explain"],
        ["report", *run],
        ["submit", *run, "--team", str(odd / "team.yaml"), "--report", str(odd / "paper.pdf"), "--ensemble", "both"],
    ):
        code, out, err = printed(arguments)
        assert code == 0, (arguments, err)
        assert shown in out, arguments
    (package,) = (run_folder / "submission").glob("*.zip")
    code, out, _ = printed(["check", str(package)])
    assert code == 0
    assert shown in out
    code, out, _ = printed(["check", str(package), "--json"])
    assert json.loads(out)["package"] == str(package)


def test_every_command_on_recordings(odd: Path, printed: Printed, request: pytest.FixtureRequest) -> None:
    shown = as_written(SHOWN, request.node.callspec.params["printed"])
    data = write_tree(odd, "own", machines=["[Pump] ✓"], train=6, test=1, seconds=1)
    run = ["--data", str(data), "--run", str(odd / "run")]
    train = ["train-all", *run, "--systems", "nf_cdee_tiny", "--set", "training.steps=1"]
    for arguments in (["scan", str(data)], [*train, "--dry-run"], train, ["score", *run], ["evaluate", *run[2:]]):
        code, out, err = printed(arguments)
        assert code == 0, (arguments, err)
        assert as_written("[Pump] ✓", request.node.callspec.params["printed"]) in out or shown in out, arguments


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["list"],
        ["weights", "list"],
        ["data", "list"],
        ["check", "--help"],
        ["train-all", "--help"],
        ["report", "--help"],
        ["fuse", "--help"],
    ],
)
def test_what_asdzoo_says_of_itself(arguments: Sequence[str], printed: Printed) -> None:
    code, out, _ = printed(arguments)
    assert code == 0
    assert len(out.splitlines()) > 3


def test_errors_quote_names_on_one_line(odd: Path, printed: Printed) -> None:
    for arguments in (
        ["evaluate", "--run", str(odd / "a\nb")],
        ["check", str(odd / "no.zip")],
        ["scan", str(odd)],
        ["submit", "--run", str(odd), "--init", "--team", str(odd)],
        ["train-all", "--systems", ODD],
        ["fuse", "--method", ODD],
        [ODD],
    ):
        code, _, err = printed(arguments)
        assert code == 2, arguments
        assert [line.partition(":")[0] for line in err.splitlines()] == ["error", "hint"], arguments


def test_a_package_with_odd_names(odd: Path, printed: Printed) -> None:
    folder = odd / "package" / "task2" / "A_B_task2_1"
    folder.mkdir(parents=True)
    (folder / "anomaly_score_[red]fan_section_00_test.csv").write_text("[/b]\x1b[31m.wav,1\n")
    (folder / "A_B_task2_1.meta.yaml").write_text("submission: [/x]\n")
    (odd / "package" / REPORT).write_bytes(b"%PDF-")
    code, out, _ = printed(["check", str(odd / "package")])
    assert code == 1
    assert "[red]fan" in out


def test_json_is_whole_in_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    value = {"name": "Müller \x9b[2J \udcff ✓"}
    for encoding in ("ascii", "cp1252", "utf-8"):
        stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        monkeypatch.setattr(sys, "stdout", stream)
        print_json(value)
        stream.flush()
        text = stream.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]
        assert json.loads(text) == value
        assert "\x9b" not in text


@given(st.text(), st.sampled_from(["ascii", "cp1252", "utf-8"]))
@settings(max_examples=100, deadline=None)
def test_any_text_can_be_printed_on_any_stream(text: str, encoding: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict") for _ in range(2)]
        patch.setattr(sys, "stdout", streams[0])
        patch.setattr(sys, "stderr", streams[1])
        warn(text)

        out.print(text)
        out.print(table(text, [text], [[text]]))
        for stream in streams:
            stream.flush()
            written = stream.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]
            assert all(letter.isprintable() or visible(letter) == letter for letter in written.replace("\n", ""))


def test_no_caller_makes_a_console_of_its_own() -> None:
    root = Path(__file__).parents[2]
    makers = [
        path.relative_to(root).as_posix()
        for room in ("zoo", "fusion", "submission")
        for path in (root / room).rglob("*.py")
        if "Console(" in path.read_text() and path.name != "console.py"
    ]
    assert makers == []
