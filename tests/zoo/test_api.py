"""The Python door: the page about it runs, its scores are those of the commands, and every wrong input is a sentence."""

import re
import shutil
import subprocess
import sys
import typing
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile

import zoo
from submission.cli import main
from zoo import api

PAGE = Path(__file__).parents[2] / "docs" / "python.md"
SYSTEMS = ["log_mel_knn", "nf_cdee_tiny"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the code of the page has run, and an ensemble was fused."""
    here = tmp_path_factory.mktemp("door")
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 7
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", zoo.AsdzooWarning)
        patch.chdir(here)
        assert main(["synth", "data", "--size", "tiny"]) == 0
        known: dict[str, Any] = {}
        for block in blocks[1:]:
            exec(block.replace("training.steps=20", "training.steps=2"), known)
        notes = [str(one.message) for one in said if issubclass(one.category, zoo.AsdzooWarning)]
        assert "test clips without labels, not scored: SynthRoboticArm 00 (24)" in notes
        assert known["run"].systems == SYSTEMS
        assert known["values"].shape == (len(known["whose"]), 1, 128)
        assert set(known["found"]["clip"]) == set(known["paths"])
        assert main(["fuse", "--run", "runs/tiny", "--method", "equal"]) == 0
        run = zoo.open_run(here / "runs/tiny")
        patch.setattr("builtins.print", lambda *_: None)
        own = {"run": run, "zoo": zoo}
        patch.setattr(zoo, "open_run", lambda path: run)
        soundfile.write("pump.wav", np.zeros(16000), 16000)
        exec(blocks[0].replace("MyPump", "SynthFan"), own)  # the three lines at the top
    return here


@pytest.fixture
def run(folder: Path) -> zoo.Run:
    return zoo.open_run(folder / "runs" / "tiny", device="cpu")


@pytest.fixture
def wavs(folder: Path) -> list[Path]:
    return sorted(folder.glob("data/**/SynthFan/test/*.wav"))


def test_scores_are_those_of_the_commands_to_the_last_bit(run: zoo.Run, folder: Path) -> None:
    every = sorted(folder.glob("data/**/test/*.wav"))
    before = {path: path.read_bytes() for path in run.path.rglob("*.csv")}
    found = run.score(every, systems=[*SYSTEMS, "fused"])
    assert list(found["clip"]) == [str(path) for path in every] * 3
    for name in (*SYSTEMS, "fused"):
        table = run.scores(name)
        own = found[found["system"] == name].assign(clip=lambda rows: [Path(clip).name for clip in rows["clip"]])
        both = table[table["split"] == "test"].merge(own, on=["machine", "section", "clip"], validate="one_to_one")
        assert len(both) == len(every) == 72
        assert (both["score_x"] == both["score_y"]).all()
        assert (both["calibrated_x"] == both["calibrated_y"]).all()
    assert ((found["score"] > found["threshold"]) == (found["decision"] == 1)).all()
    assert {path: path.read_bytes() for path in run.path.rglob("*.csv")} == before
    assert run.ensembles == ["fused"]


def test_thresholds_are_those_that_submit_puts(run: zoo.Run, wavs: list[Path]) -> None:
    found = run.score(wavs[:1], systems="log_mel_knn", threshold="percentile", percentile=70)
    table = run.scores("log_mel_knn")
    training = table[(table["machine"] == "SynthFan") & (table["split"] == "train")]["score"]
    assert found["threshold"].item() == np.percentile(training, 70)


def test_an_array_scores_as_its_file(run: zoo.Run, wavs: list[Path]) -> None:
    expected = run.score(wavs[:3], systems="nf_cdee_tiny")["score"].tolist()
    integers = [soundfile.read(wav, dtype="int16")[0] for wav in wavs[:3]]
    floats = [wave / 32768 for wave in integers]
    stereo = [np.stack([wave, wave[::-1]], axis=1) for wave in integers]
    for waves in (integers, floats, stereo):
        found = run.score(waves, rate=16000, machine="SynthFan", systems="nf_cdee_tiny")
        assert found["score"].tolist() == expected
        assert found["clip"].tolist() == ["0", "1", "2"]
    one = run.score(integers[1], rate=16000, machine="SynthFan", section="00", systems=["nf_cdee_tiny"])
    assert one["score"].tolist() == pytest.approx(expected[1:2], rel=1e-6)  # torch rounds a batch of one otherwise


def test_two_files_of_one_name_are_two_clips(run: zoo.Run, wavs: list[Path], tmp_path: Path) -> None:
    for name, wav in zip(("a", "b"), wavs, strict=False):
        (tmp_path / name).mkdir()
        shutil.copy(wav, tmp_path / name / "x.wav")
    found = run.score([tmp_path / "a/x.wav", tmp_path / "b/x.wav"], machine="SynthFan", systems="log_mel_knn")
    assert found["clip"].tolist() == [str(tmp_path / "a/x.wav"), str(tmp_path / "b/x.wav")]
    assert found["score"].nunique() == 2


def test_what_cannot_be_read_is_left_out_and_said(run: zoo.Run, wavs: list[Path], tmp_path: Path) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(wavs[0].read_bytes()[:100])
    with pytest.warns(zoo.AsdzooWarning, match=r"broken.wav is truncated.*, and is left out") as said:
        found = run.score([broken, wavs[0]], machine="SynthFan", systems="log_mel_knn")
    assert said[0].filename == __file__
    assert found["clip"].tolist() == [str(wavs[0])]
    with pytest.raises(zoo.AsdzooError, match=rf"none of the 1 recordings can be read; {broken}: is truncated"):
        run.score(broken, machine="SynthFan")
    loud = 3 * np.sin(np.arange(16001) / 40)
    with pytest.warns(zoo.AsdzooWarning, match="0 peaks at 3 times full scale"):
        run.score(loud, rate=16000, machine="SynthFan", systems="log_mel_knn")


def test_nothing_gives_an_empty_table(run: zoo.Run) -> None:
    assert run.score([]).columns.tolist() == api.SCORED
    assert len(run.score([])) == 0


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"waves": "none.wav"}, "none.wav is not there", "name a wav file"),
        ({"waves": "."}, ". is a folder, not a wav", "name a wav file"),
        ({"rate": None}, "does not say its sample rate", "rate=16000"),
        ({"rate": 0}, "the sample rate 0", "rate=16000"),
        ({"machine": None}, "an array does not say its machine", "SynthFan, SynthGearbox"),
        ({"machine": "SynthFna"}, r"unknown machine 'SynthFna' \(did you mean SynthFan\?\)", "known"),
        ({"section": "01"}, "unknown section of SynthFan '01'", "00"),
        ({"systems": "log_mel"}, r"unknown system or ensemble 'log_mel' \(did you mean log_mel_knn\?\)", "known"),
        ({"waves": np.zeros((2, 16000))}, r"shape \(2, 16000\).*did you give \(channels, samples\)\?", "one array a clip"),
        ({"waves": np.zeros((2, 2, 2))}, r"shape \(2, 2, 2\)", "one array a clip"),
        ({"waves": np.zeros(100, int)}, "holds int64", "wave / 32768"),
        ({"waves": np.full(100, np.nan)}, "none of the 1 recordings can be read; 0: holds NaN", "arrays"),
        ({"waves": np.zeros(0)}, "0: holds no samples", "arrays"),
        ({"percentile": 100.0}, "the percentile 100 is not between 0 and 100", "90"),
    ],
)
def test_wrong_input_is_a_sentence(run: zoo.Run, options: dict[str, Any], message: str, hint: str) -> None:
    usual: dict[str, Any] = {
        "waves": 0.1 * np.sin(np.arange(16000) / 40),
        "rate": 16000,
        "machine": "SynthFan",
        "systems": "log_mel_knn",
    }
    with pytest.raises(zoo.AsdzooError, match=message) as problem:
        run.score(**{**usual, **options})
    assert hint in problem.value.hint


def test_wrong_names_are_sentences(run: zoo.Run, tmp_path: Path) -> None:
    with pytest.raises(zoo.AsdzooError, match="is not a run"):
        zoo.open_run(tmp_path)
    with pytest.raises(zoo.AsdzooError, match="unknown system or ensemble 'none'"):
        run.scores("none")
    with pytest.raises(zoo.AsdzooError, match="unknown system of this run 'none'"):
        run.embeddings("none", "SynthFan")
    with pytest.raises(zoo.AsdzooError, match="unknown machine of log_mel_knn 'fan'"):
        run.embeddings("log_mel_knn", "fan")
    with pytest.raises(zoo.AsdzooError, match="unknown system or ensemble 'none'"):
        run.evaluate(["none"])
    with pytest.raises(zoo.AsdzooError, match="there is no system to train"):
        zoo.train(tmp_path, systems=[])
    with pytest.raises(zoo.AsdzooError, match="there is no folder"):
        zoo.recordings(tmp_path / "none")


def test_ranks_are_not_for_clips_given_by_hand(run: zoo.Run, wavs: list[Path], tmp_path: Path) -> None:
    copied = tmp_path / "run"
    shutil.copytree(run.path, copied)
    assert main(["fuse", "--run", str(copied), "--method", "equal", "--combiner", "rank", "--name", "ranks"]) == 0
    with pytest.raises(zoo.AsdzooError, match="ranks joins ranks among the test clips"):
        zoo.open_run(copied).score(wavs[:1], systems="ranks")
    assert zoo.open_run(copied).marks


def test_a_system_that_was_not_trained_on_a_machine_is_left_out_and_said(tmp_path: Path) -> None:
    from tests.zoo.trees import write_tree

    every = write_tree(tmp_path, "2024", machines=["fan", "gearbox"], train=10, seconds=0.5)
    zoo.train(every, "log_mel_knn", tmp_path / "run", device="cpu")
    other = tmp_path / "other.yaml"
    other.write_text("base: log_mel_knn\n")
    (gearbox,) = every.glob("**/gearbox")
    gearbox.rename(tmp_path / "away")
    run = zoo.train(every, [str(other)], tmp_path / "run", device="cpu")
    wavs = sorted((tmp_path / "away" / "test").glob("*.wav"))[:1] + sorted(every.glob("**/fan/test/*.wav"))[:1]
    gearbox.mkdir()
    with pytest.warns(zoo.AsdzooWarning, match="other was not trained on gearbox: left out"):
        found = run.score(wavs[0], machine="gearbox")
    assert found["system"].tolist() == ["log_mel_knn"]
    assert run.score(wavs[1])["system"].tolist() == ["log_mel_knn", "other"]
    with pytest.raises(zoo.AsdzooError, match="unknown machine of other 'gearbox'"):
        run.score(wavs[0], machine="gearbox", systems="other")


def test_without_the_later_room_the_door_says_so(run: zoo.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.registry.entry_points", lambda **_: [])
    with pytest.raises(zoo.AsdzooError, match="nothing that is installed offers 'fusion'") as problem:
        run.evaluate()
    assert "pip install" in problem.value.hint


def test_evaluate_gives_what_it_writes(run: zoo.Run) -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        judged = run.evaluate([*SYSTEMS])
    assert any("without labels" in str(one.message) for one in said)
    assert {one.filename for one in said} == {__file__}
    written = pd.read_csv(run.path / "evaluation.csv", dtype={"section": str}, keep_default_na=False)
    assert set(written["system"]) == {*SYSTEMS, "fused"}
    assert judged["hmean"].tolist() == written[written["system"].isin(SYSTEMS)]["hmean"].tolist()


def test_a_run_of_two_machines_with_several_sections(tmp_path: Path) -> None:
    from tests.zoo.trees import write_tree

    data = write_tree(tmp_path, "2022", machines=["fan"], train=6, seconds=0.5)
    run = zoo.train(data, "log_mel_knn", tmp_path / "run", device="cpu")
    assert run.machines == {"fan": ["00", "01"]}
    wav = sorted(data.glob("**/fan/test/section_01*.wav"))[0]
    with pytest.warns(zoo.AsdzooWarning, match="empirical percentile"):
        assert run.score(wav)["section"].tolist() == ["01"]
    with pytest.raises(zoo.AsdzooError, match="an array does not say its section of fan") as problem:
        run.score(np.ones(8000) * 0.1, rate=16000)
    assert problem.value.hint == "section= 00 or 01"


def test_importing_it_is_cheap() -> None:
    heavy = "torch", "pandas", "numpy", "pydantic", "typer", "rich"
    said = subprocess.run([sys.executable, "-c", f"import zoo, sys; print([name for name in {heavy} if name in sys.modules])"],
                          check=True, capture_output=True, text=True)  # fmt: skip
    assert said.stdout.strip() == "[]"


def test_everything_public_is_listed_typed_and_documented() -> None:
    assert set(zoo.__all__) == {*api.__all__, "__version__"}
    public = [zoo.open_run, zoo.train, zoo.recordings, zoo.Run]
    methods = [value for name, value in vars(zoo.Run).items() if not name.startswith("_")]
    functions = [getattr(one, "fget", getattr(one, "func", one)) for one in methods]
    for one in (*public, *functions):
        assert one.__doc__, one
    for function in (*public[:3], *functions):
        assert "return" in function.__annotations__
    for name in zoo.__all__:
        assert f"zoo.{name}" in PAGE.read_text() or name == "__version__"
    assert typing.get_type_hints(zoo.AsdzooError.__init__)
