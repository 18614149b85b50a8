"""Whatever is done to the small files of a run, a command answers with 0, 1 or 2 and a sentence; nothing escapes."""

import contextlib
import io
import shutil
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from submission.cli import main
from tests.submission.conftest import TEAM

OLD = Path(__file__).parents[1] / "golden" / "run_0_1"
MEMORY = 300e6  # bytes that Python may hold at once
COMMANDS = (
    ["evaluate"],
    ["fuse", "--method", "equal"],
    ["submit", "--team", "team.yaml"],
    ["clean", "--yes"],
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("damaged")
    (made / "team.yaml").write_text(TEAM)
    return made


@st.composite
def damage(draw: st.DrawFn, content: bytes) -> bytes:
    """A file cut, with bytes changed or put in, with a line gone or twice, or something else in its place."""
    kind = draw(st.sampled_from(["cut", "flip", "insert", "line", "other"]))
    at = draw(st.integers(0, len(content)))
    if kind == "cut":
        return content[:at]
    if kind == "flip":
        return content[:at] + draw(st.binary(min_size=1, max_size=4)) + content[at + 1 :]
    if kind == "insert":
        return (
            content[:at]
            + draw(st.binary(max_size=8) | st.sampled_from([b"NaN", b"1e999", b"null", b"[]", b"\x00", b"-"]))
            + content[at:]
        )
    if kind == "line":
        lines = content.splitlines(keepends=True)
        row = draw(st.integers(0, max(0, len(lines) - 1)))
        return b"".join(lines[:row] + lines[row : row + 1] * draw(st.sampled_from([0, 2])) + lines[row + 1 :])
    return draw(st.sampled_from([b"", b"{}", b"[]", b"null", b"0", b"\xff\xfe", b"<html>", b"[" * 5000, b'{"a":' * 3000]))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_of_a_run_is_a_sentence(data: st.DataObject, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = folder / "run"
    shutil.rmtree(run, ignore_errors=True)
    shutil.copytree(OLD, run)
    files = sorted(path for path in run.rglob("*") if path.suffix in (".json", ".csv"))
    path = data.draw(st.sampled_from(files))
    path.write_bytes(data.draw(damage(path.read_bytes())))
    command, *rest = data.draw(st.sampled_from(COMMANDS))
    arguments = [command, "--run", str(run), *(str(folder / word) if word.endswith(".yaml") else word for word in rest)]
    printed = io.StringIO()
    tracemalloc.start()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        code = main(arguments)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    said = printed.getvalue() + "".join(capfd.readouterr())
    assert code in (0, 1, 2)
    assert said.strip()
    assert "Traceback" not in said
    assert code != 2 or "error: " in said
    assert peak < MEMORY
