"""The commands of the zoo: what they print, and every wrong input."""

from pathlib import Path

import pytest

from submission.cli import main
from tests.zoo.trees import write_tree, write_wav


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tree(tmp_path_factory.mktemp("data"), "2024", machines=["fan", "gearbox"], seconds=0.3)


def said(capsys: pytest.CaptureFixture[str]) -> tuple[str, list[str]]:
    captured = capsys.readouterr()
    return captured.out, captured.err.strip().splitlines()


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, str]:
    """Message and hint of a command that must end with exit code 2 and nothing else on stderr."""
    assert main(arguments) == 2
    _, lines = said(capsys)
    error, *hint = lines
    assert error.startswith("error: ")
    assert len(hint) == 1
    assert hint[0].startswith("hint: ")
    return error.removeprefix("error: "), hint[0].removeprefix("hint: ")


def test_scan_shows_every_machine(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scan", str(data)]) == 0
    out, problems = said(capsys)
    assert "year 2024" in out
    assert "fan" in out
    assert "gearbox" in out
    assert problems == []


def test_scan_lists_broken_recordings_and_strict_stops(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_tree(tmp_path, "2024", machines=["fan"])
    broken = sorted(data.rglob("fan/train/*.wav"))[0]
    broken.write_bytes(broken.read_bytes()[:60])
    before = sorted(data.rglob("*"))
    assert main(["scan", str(data)]) == 0
    _, problems = said(capsys)
    assert len(problems) == 1
    assert problems[0].startswith(f"error: {broken}: ")
    assert main(["scan", str(data), "--strict"]) == 2
    assert "1 recording(s) cannot be used" in said(capsys)[1][-2]
    assert main(["train-all", "--data", str(data), "--run", str(tmp_path / "runs" / "a"), "--strict"]) == 2
    assert "1 recording(s) cannot be used" in said(capsys)[1][-2]
    assert sorted(data.rglob("*")) == before


def test_scan_of_nothing_that_can_be_used_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "MyPump" / "train"
    folder.mkdir(parents=True)
    (folder / "a.wav").write_bytes(b"")
    (folder / "b.wav").write_bytes(b"no sound at all")
    assert main(["scan", str(tmp_path)]) == 2
    out, problems = said(capsys)
    assert "MyPump" in out
    assert problems[-2].startswith(
        f"error: none of the 2 recording(s) in {tmp_path} can be used, the first: {folder / 'a.wav'}"
    )
    assert problems[-1] == "hint: replace them, or name another folder"


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["scan", "nowhere"], "there is no folder nowhere", "--data"),
        (["scan", "{data}", "--year", "1999"], "there is no year '1999'", "2020"),
        (["synth", "{tmp}", "--size", "huge"], "unknown size 'huge'", "tiny, small, full"),
        (["synth", "{tmp}", "--size", "tiny", "--seed", "-1"], "the seed -1 is negative", "0"),
        (["train-all", "--data", "nowhere"], "there is no folder nowhere", "--data"),
        (["train-all", "--data", "{data}", "--systems", "nf_cde"], "unknown system 'nf_cde' (did you mean nf_cdee?)", "known:"),
        (["train-all", "--data", "{data}", "--systems", ","], "there is no system to train", "asdzoo list"),
        (["train-all", "--data", "{data}", "--set", "steps"], "--set steps is not KEY=VALUE", "training.steps=100"),
        (["train-all", "--data", "{data}", "--set", "training.step=1"], "unknown key training.step", "did you mean steps"),
        (["train-all", "--data", "{data}", "--group", "fan"], "--group fan is not MACHINE=GROUP", "MyPump=periodic"),
        (["train-all", "--data", "{data}", "--group", "fan=loud"], "unknown group 'loud'", "periodic"),
        (["train-all", "--data", "{data}", "--calibrate-on", "both"], "is neither train nor test", "train is the default"),
        (["train-all", "--data", "{data}", "--run", "{tmp}/r", "--device", "gpu"], "unknown device 'gpu'", "cpu"),
        (
            ["train-all", "--data", "{data}", "--run", "{tmp}/r", "--set", "input.channel=1"],
            "so section_00_",
            "channels count from 0",
        ),
        (["score", "--run", "{tmp}/none"], "{tmp}/none is not a run", "asdzoo train-all --run {tmp}/none"),
        (["train-all", "--no-such-option"], "no such option: --no-such-option", "asdzoo train-all --help"),
        (["no-such-command"], "no such command", "asdzoo --help"),
        (["scan"], "missing argument", "asdzoo scan --help"),
    ],
)
def test_wrong_input_gets_a_sentence_and_the_next_command(
    arguments: list[str], message: str, hint: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def filled(text: str) -> str:
        return text.replace("{data}", str(data)).replace("{tmp}", str(tmp_path))

    got_message, got_hint = refused(capsys, *(filled(argument) for argument in arguments))
    assert filled(message).lower() in got_message.lower()
    assert filled(hint) in got_hint


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scan", "nowhere", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_an_unclear_year_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_tree(tmp_path, "2023", machines=["fan"])
    data = data.rename(tmp_path / "unnamed") if "2023" in str(data) else data
    message, hint = refused(capsys, "scan", str(data))
    assert "does not say its year" in message
    assert "--year" in hint


def test_dry_run_prints_the_plan_and_trains_nothing(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "runs" / "a"
    assert main(["train-all", "--data", str(data), "--run", str(run), "--systems", "nf_cdee_tiny", "--dry-run"]) == 0
    out, _ = said(capsys)
    assert "periodic" in out
    assert "stationary" in out
    assert not run.parent.exists()


def test_synth_writes_a_challenge_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["synth", str(tmp_path), "--size", "tiny"]) == 0
    assert "asdzoo train-all --data" in said(capsys)[0]
    assert len(list(tmp_path.rglob("*.wav"))) == 156
    message, _ = refused(capsys, "synth", str(tmp_path), "--size", "tiny")
    assert "is there already" in message


def test_recordings_of_ones_own_go_through(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for index in range(6):
        write_wav(tmp_path / "MyPump" / "train" / f"monday {index}.wav", seconds=0.4, rate=48000)
    for index in range(3):
        write_wav(tmp_path / "MyPump" / "test" / f"tuesday {index}.wav", seconds=0.4, rate=48000)
    run = tmp_path / "runs" / "own"
    settings = ["--set", "training.steps=2", "--group", "MyPump=periodic"]
    assert main(["train-all", "--data", str(tmp_path), "--run", str(run), "--systems", "nf_cdee_tiny", *settings]) == 0
    out, warnings = said(capsys)
    assert "nf_cdee_tiny (periodic)" in out
    assert any("48000" in warning or "48,000" in warning for warning in warnings)
    assert len((run / "scores" / "nf_cdee_tiny.csv").read_text().splitlines()) == 10


def test_help_is_complete_and_names_no_private_type(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out, _ = said(capsys)
    for command in ("scan", "synth", "train-all", "score", "evaluate", "fuse", "submit", "check", "list"):
        assert command in out


def test_ctrl_c_leaves_a_run_that_goes_on(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import zoo.training.loop

    command = [
        "train-all",
        "--data",
        str(data),
        "--run",
        str(tmp_path / "a"),
        "--systems",
        "nf_cdee_tiny",
        "--set",
        "training.steps=4",
    ]
    step = zoo.training.loop.Trainer._step

    def interrupted(trainer: zoo.training.loop.Trainer) -> dict[str, float]:
        if trainer.step == 2:
            raise KeyboardInterrupt
        return step(trainer)

    with monkeypatch.context() as patch:
        patch.setattr(zoo.training.loop.Trainer, "_step", interrupted)
        assert main(command) == 130
    assert "run the same command again to go on" in said(capsys)[1][-1]
    assert main(command) == 0
    assert main([*command[:4], str(tmp_path / "b"), *command[5:]]) == 0
    scores = [(tmp_path / name / "scores" / "nf_cdee_tiny.csv").read_bytes() for name in ("a", "b")]
    assert scores[0] == scores[1]


def test_a_dry_run_says_what_is_passed_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_tree(tmp_path, "2024", machines=["fan"])
    write_wav(data / "stray.wav")
    assert main(["train-all", "--data", str(data), "--systems", "nf_cdee_tiny", "--dry-run"]) == 0
    assert "1 recording(s) lie in no train or test folder and are left out" in " ".join(said(capsys)[1])
