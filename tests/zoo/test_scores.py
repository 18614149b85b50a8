"""Score tables: what crosses disk comes back bit for bit, and nothing invalid exists."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.data.clips import Clip
from zoo.errors import AsdzooError
from zoo.scores import COLUMNS, ScoreTable

finite = st.floats(allow_nan=False, allow_infinity=False)
names = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12)


def table(**changes: Any) -> ScoreTable:
    row = dict(zip(COLUMNS, ["a", "2024", "fan", "00", "test", "source", "normal", "x.wav", 1.0, 0.5], strict=True))
    return ScoreTable(pd.DataFrame([row, {**row, "clip": "y.wav", **changes}]))


@given(st.dictionaries(names, st.tuples(finite, finite), min_size=1, max_size=8))
@settings(deadline=None, max_examples=60)
def test_written_and_read_is_the_same_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory, rows: dict[str, tuple[float, float]]
) -> None:
    path = tmp_path_factory.mktemp("scores") / "a.csv"
    clips = [Clip(Path(f"{name.replace('/', '_')}.wav"), "own", "NA", "00", "test") for name in rows]
    if len({clip.name for clip in clips}) < len(clips):
        return
    values = np.array(list(rows.values()))
    written = ScoreTable.of_clips("a", clips, values[:, 0], values[:, 1])
    written.write(path)
    read = ScoreTable.read(path)
    pd.testing.assert_frame_equal(read.frame, written.frame, check_exact=True)
    assert read.year == "own"
    assert read.systems == ["a"]


def test_rows_come_in_one_order() -> None:
    frame = table().frame
    pd.testing.assert_frame_equal(ScoreTable(frame.iloc[::-1]).frame, frame)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": float("nan")}, "1 score value.s. are not finite, the first for a fan y.wav"),
        ({"calibrated": float("inf")}, "calibrated value.s. are not finite"),
        ({"clip": "x.wav"}, "a scores fan x.wav twice"),
        ({"year": "2023"}, "mixes the years 2023, 2024"),
        ({"split": "dev"}, "column split holds 'dev'"),
        ({"domain": "elsewhere"}, "column domain holds 'elsewhere'"),
        ({"label": "odd"}, "column label holds 'odd'"),
    ],
)
def test_nothing_invalid_exists(change: dict[str, Any], message: str) -> None:
    with pytest.raises(AsdzooError, match=message):
        table(**change)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a CSV"),
        ("system,year\na,2024\n", "lacks the column"),
        (",".join(COLUMNS) + "\na,2024,fan,00,test,source,normal,x.wav,high,0\n", "not finite"),
        (",".join(COLUMNS) + '\n"a,2024', "is not a CSV"),
    ],
)
def test_a_file_that_is_no_score_table_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(AsdzooError, match=message) as problem:
        ScoreTable.read(path)
    assert str(path) in problem.value.message


def test_a_missing_file_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(AsdzooError, match="no score table at") as problem:
        ScoreTable.read(tmp_path / "none.csv")
    assert "train-all" in problem.value.hint
