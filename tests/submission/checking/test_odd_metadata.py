"""Any metadata: faults with their sentences, exit 0 or 1, no other error, little time, nothing that a terminal would obey."""

import json
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from submission.checking.check import check
from submission.cli import main
from tests.submission.odd_metadata import GOOD, odd_metadata
from tests.submission.packages import META, write_zip

SCORES = "task2/Jiang_THUEE_task2_1/anomaly_score_MyPump_section_00_test.csv"


def test_the_file_that_is_damaged_is_good(tmp_path: Path) -> None:
    faults = check(write_zip({META: GOOD.encode()}, tmp_path / "p.zip")).faults
    assert {fault.code for fault in faults} == {"no-report"}


@given(st.integers(0, 10**9))
@example(0)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_metadata_escapes_as_a_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str], seed: int) -> None:
    package = write_zip({META: odd_metadata(seed), SCORES: b"a.wav,1\nb.wav,2\n"}, tmp_path / "p.zip")
    begun = time.process_time()
    code = main(["check", str(package), "--json"])
    assert time.process_time() - begun < 5
    found = json.loads(capsys.readouterr().out)
    assert code == (1 if found["errors"] else 0)
    for fault in found["faults"]:
        assert fault["message"]
        assert fault["hint"]
        assert (fault["message"] + fault["hint"] + fault["file"]).isprintable()
        assert len(fault["message"]) < 500
