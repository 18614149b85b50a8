"""run.json and task.json: files of 0.1 open, what is not known is kept, damage is named with its cure."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zoo.errors import AsdzooError
from zoo.running.folder import Run
from zoo.running.marks import MEANING, Mark, meaning, sentences
from zoo.running.records import RunInfo, SystemInfo, TaskInfo, changed_versions, joined_versions, read_record

OLD: dict[str, Any] = {  # run.json as 0.1 wrote it
    "calibrate_on": "train",
    "data": "data",
    "groups": {"MyPump": "periodic"},
    "marks": ["untrained"],
    "seed": 0,
    "systems": {
        "cnn": {
            "config": {"model": {"name": "dual_branch_cnn"}},
            "macs": 7,
            "parameters": {"total": 12, "trainable": 3},
            "tasks": ["all-0"],
        }
    },
    "versions": {"asdzoo": "0.1.0", "torch": "2.6.0"},
    "year": "2024",
}


def test_a_file_of_0_1_opens_and_is_written_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps(OLD))
    info = read_record(path, RunInfo, "")
    assert info.systems["cnn"].parameters.total == 12
    assert info.systems["cnn"].block("model") == {"name": "dual_branch_cnn"}
    assert info.versions_of("cnn") == OLD["versions"]  # a system of 0.1 has none of its own
    info.write(path)
    assert json.loads(path.read_text()) == OLD


def test_what_is_missing_has_a_default_and_what_is_unknown_is_kept(tmp_path: Path) -> None:
    run = Run(tmp_path)
    (tmp_path / "run.json").write_text('{"systems": {"cnn": {"later": [1, 2]}}, "from the future": {"a": 1}}')
    info = run.info()
    assert (info.year, info.seed, info.calibrate_on, info.marks) == (None, None, "train", ())
    run.mark(Mark.UNTRAINED)
    written = json.loads((tmp_path / "run.json").read_text())
    assert written == {"systems": {"cnn": {"later": [1, 2]}}, "from the future": {"a": 1}, "marks": ["untrained"]}


def test_records_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        RunInfo().year = "2024"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is damaged: it is empty"),
        (b" \n", "is damaged: it is empty"),
        (b"{", "is damaged: EOF"),
        (b"[]", "is damaged: it is no JSON object"),
        (b"null", "is damaged: it is no JSON object"),
        (b'"run"', "is damaged: it is no JSON object"),
        (b"\xff\xfe{}", "is damaged: "),
        (b'{"seed": "many"}', "is damaged: seed: "),
        (b'{"seed": NaN}', "is damaged: "),
        (b'{"systems": ["cnn"]}', "is damaged: systems: "),
        (b'{"systems": {"cnn": {"parameters": 3}}}', "is damaged: systems.cnn.parameters: "),
        (b'{"calibrate_on": "both"}', "is damaged: calibrate_on: "),
        (b'{"systems": {"cnn": {"config": {"model": 5}}}}', "is damaged: systems.cnn.config: "),
        (b'{"systems": {"cnn": {"config": {"input": {"sample_rate": null}}}}}', "is damaged: systems.cnn.config: "),
        (b'{"a":' * 5000, "is damaged: "),
    ],
)
def test_a_damaged_run_json_is_one_sentence_with_the_cure(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(content)
    with pytest.raises(AsdzooError) as caught:
        Run(tmp_path).info()
    assert caught.value.message.startswith(f"{path} {said}")
    assert "\n" not in caught.value.message
    assert caught.value.hint.startswith(f"delete {path} and run `asdzoo train-all --run {tmp_path}` again")


def test_a_record_that_is_a_folder_or_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AsdzooError, match="is damaged"):
        read_record(tmp_path, TaskInfo, "")
    with pytest.raises(AsdzooError, match=r"task\.json is missing"):
        read_record(tmp_path / "task.json", TaskInfo, "")
    monkeypatch.setattr("zoo.running.records.MOST_BYTES", 10)
    (tmp_path / "run.json").write_text(json.dumps(OLD))
    with pytest.raises(AsdzooError, match="is damaged: it has 0 MB"):
        Run(tmp_path).info()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(changes=st.dictionaries(st.sampled_from([*OLD, "other"]), json_values), cut=st.integers(0, 400) | st.none())
def test_any_json_is_a_record_or_a_sentence(tmp_path: Path, changes: dict[str, Any], cut: int | None) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(json.dumps({**OLD, **changes}).encode()[:cut])
    said = ""
    try:
        Run(tmp_path).update_info(seed=1)
    except AsdzooError as problem:
        said = problem.message
    assert "run.json is damaged" in said or Run(tmp_path).info().seed == 1


def test_versions_of_several_trainings_stand_side_by_side() -> None:
    first, second = {"asdzoo": "0.1.0", "torch": "2.6.0"}, {"asdzoo": "0.2.0", "torch": "2.6.0"}
    assert joined_versions([first, second, first]) == {"asdzoo": "0.1.0, 0.2.0", "torch": "2.6.0"}
    info = RunInfo(versions=first, systems={"new": SystemInfo(versions=second), "old": SystemInfo()})
    assert (info.versions_of("new"), info.versions_of("old"), info.versions_of("none")) == (second, first, first)


def test_what_can_change_numbers_is_said() -> None:
    then = {"asdzoo": "0.1.0", "python": "3.11.2", "torch": "2.6.0"}
    now = {"asdzoo": "0.2.0", "python": "3.12.1", "torch": "2.6.0", "scipy": "1.0"}
    assert changed_versions(then, now) == "asdzoo 0.1.0 (now 0.2.0)"
    assert changed_versions(now, now) == changed_versions({}, now) == ""


def test_every_mark_has_a_meaning_and_a_strange_one_is_still_said() -> None:
    assert set(MEANING) == set(Mark)
    assert [meaning(mark) for mark in Mark] == list(MEANING.values())
    assert sentences(["test-ranked", "moonlit"]) == [
        f"this run is marked test-ranked: {MEANING[Mark.TEST_RANKED]}",
        "this run is marked moonlit",
    ]
