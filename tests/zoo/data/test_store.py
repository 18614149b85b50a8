"""The waveform store gives back what is on disk, once decoded and ever after."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import zoo.data.space
import zoo.data.stored
from tests.zoo.trees import write_tree, write_wav
from zoo.data.clips import Clip, find_clips
from zoo.data.scan import scan
from zoo.data.space import bytes_needed
from zoo.data.store import WaveformStore, in_floats
from zoo.data.views import view_of
from zoo.errors import AsdzooError

SHARED = Path(__file__).parents[3] / ".." / "shared" / "data"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The paths of the files decoded from here on."""
    paths: list[Path] = []
    decode = zoo.data.stored.Decoding
    monkeypatch.setattr(zoo.data.stored, "Decoding", lambda path: (paths.append(path), decode(path))[1])
    return paths


def _own(tmp_path: Path, *lengths: int, channels: int = 1) -> list[Clip]:
    generator = np.random.default_rng(0)
    for index, length in enumerate(lengths):
        samples = generator.integers(-32768, 32768, (length, channels), dtype=np.int16)
        write_wav(tmp_path / "data" / "MyPump" / "test" / f"{index}.wav", samples=samples)
    return find_clips(tmp_path / "data")


def _read(clip: Clip, channel: int = 0) -> np.ndarray:
    return np.asarray(soundfile.read(clip.path, dtype="float32", always_2d=True)[0][:, channel])


def test_rows_are_the_files_bit_by_bit_padded_with_zeros(tmp_path: Path) -> None:
    clips = _own(tmp_path, 100, 250, 3)
    store = WaveformStore.open(clips, tmp_path / "store")
    assert store.clips == clips
    assert store.problems == []
    assert store.lengths.tolist() == [100, 250, 3]
    waves, lengths = store.batch([2, 0, 1, 0])
    assert waves.dtype.is_floating_point
    assert lengths.tolist() == [3, 100, 250, 100]
    for wave, length, index in zip(waves.numpy(), lengths.tolist(), [2, 0, 1, 0], strict=True):
        np.testing.assert_array_equal(wave[:length], _read(clips[index]))
        assert not wave[length:].any()


@pytest.mark.parametrize("cut", [{}, {"samples": 120}, {"samples": 2, "starts": [0, 1, 5, 9]}, {"most": 40}])
def test_stored_rows_become_the_same_floats(tmp_path: Path, cut: dict[str, object]) -> None:
    store = WaveformStore.open(_own(tmp_path, 100, 250, 3), tmp_path / "store")
    floats, lengths = store.batch([2, 0, 1, 0], **cut)
    stored, again = store.batch([2, 0, 1, 0], **cut, stored=True)
    assert stored.dtype == torch.int16
    assert in_floats(stored).dtype == torch.float32
    assert torch.equal(in_floats(stored), floats)
    assert torch.equal(again, lengths)
    assert in_floats(floats) is floats


@settings(deadline=None, max_examples=60)
@given(lengths=st.lists(st.integers(1, 60), min_size=1, max_size=4), samples=st.integers(1, 150), draw=st.data())
def test_fixed_rows_repeat_short_clips_and_cut_long_ones(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], samples: int, draw: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("store")
    clips = _own(folder, *lengths)
    store = WaveformStore.open(clips, folder / "store")
    starts = [draw.draw(st.integers(0, max(length - samples, 0))) for length in lengths]
    waves, valid = store.batch(range(len(clips)), samples=samples, starts=starts)
    assert waves.shape == (len(clips), samples)
    assert valid.tolist() == [samples] * len(clips)
    for wave, clip, start in zip(waves.numpy(), clips, starts, strict=True):
        whole = _read(clip)
        np.testing.assert_array_equal(wave, np.resize(whole, samples) if len(whole) < samples else whole[start:][:samples])


def test_starts_without_samples_and_cuts_that_leave_their_clip(tmp_path: Path) -> None:
    store = WaveformStore.open(_own(tmp_path, 10, 20), tmp_path / "store")
    waves, lengths = store.batch([0, 1], starts=[4, 0])
    assert lengths.tolist() == [6, 20]
    np.testing.assert_array_equal(waves[0, :6].numpy(), _read(store.clips[0])[4:])
    for cut in ({"starts": [10, 0]}, {"starts": [-1, 0]}, {"starts": [0, 6], "samples": 15}, {"starts": [1, 0], "samples": 15}):
        with pytest.raises(ValueError, match="a cut"):
            store.batch([0, 1], **cut)  # type: ignore[arg-type]
    waves, lengths = store.batch([])
    assert (len(waves), len(lengths)) == (0, 0)


def test_channels(tmp_path: Path) -> None:
    clips = _own(tmp_path, 50, 60, channels=2)
    write_wav(clips[1].path, seconds=0.01)
    store = WaveformStore.open(clips, tmp_path / "store")
    for channel in (0, 1):
        np.testing.assert_array_equal(store.batch([0], channel=channel)[0][0].numpy(), _read(clips[0], channel))
    np.testing.assert_array_equal(store.batch([1])[0][0].numpy(), _read(clips[1]))
    with pytest.raises(AsdzooError, match=r"MyPump has 1 channel, so 1\.wav has no channel 1") as caught:
        store.batch([0, 1], channel=1)
    assert "input.channel" in caught.value.hint
    with pytest.raises(AsdzooError, match="MyPump has 2 channels"):
        store.batch([0], channel=2)
    with pytest.raises(AsdzooError, match="has no channel -1"):
        store.batch([0], channel=-1)


def test_a_second_opening_decodes_nothing(tmp_path: Path, decoded: list[Path]) -> None:
    clips = find_clips(write_tree(tmp_path, "2024"))
    seen: list[tuple[int, int]] = []
    first = WaveformStore.open(clips, tmp_path / "store", workers=2, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, len(clips)) for done in range(1, len(clips) + 1)]
    assert sorted(decoded) == sorted(clip.path for clip in clips)
    decoded.clear()
    seen.clear()
    second = WaveformStore.open(clips, tmp_path / "store", progress=lambda done, total: seen.append((done, total)))
    some = WaveformStore.open(clips[3:7], tmp_path / "store")
    assert decoded == []
    assert seen == []
    everything = range(len(clips))
    assert (first.batch(everything)[0] == second.batch(everything)[0]).all()
    assert (some.batch(range(4))[0] == first.batch(range(3, 7))[0]).all()


def test_data_that_moved_or_was_touched_or_copied_is_not_decoded_anew(tmp_path: Path, decoded: list[Path]) -> None:
    data = write_tree(tmp_path, "2024", machines=["fan"])
    WaveformStore.open(find_clips(data), tmp_path / "store")
    decoded.clear()
    moved = data.rename(tmp_path / "2024-elsewhere")
    store = WaveformStore.open(find_clips(moved), tmp_path / "store")
    assert all(clip.path.is_relative_to(moved) for clip in store.clips)
    for clip in store.clips:
        os.utime(clip.path)
    WaveformStore.open(find_clips(moved), tmp_path / "store")
    shutil.copytree(moved, tmp_path / "2024-copied")
    copied = WaveformStore.open(find_clips(tmp_path / "2024-copied"), tmp_path / "store")
    assert decoded == []
    np.testing.assert_array_equal(copied.batch([2])[0][0].numpy(), _read(copied.clips[2]))
    middle = bytearray(copied.clips[2].path.read_bytes())
    middle[-700] ^= 255
    copied.clips[2].path.write_bytes(middle)
    again = WaveformStore.open(find_clips(tmp_path / "2024-copied"), tmp_path / "store")
    assert len(decoded) == len(again.clips)
    np.testing.assert_array_equal(again.batch([2])[0][0].numpy(), _read(again.clips[2]))


def test_what_a_store_takes_is_said_before_and_refused_where_there_is_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = _own(tmp_path, 40_000, 60_000, channels=2)
    write_wav(clips[0].path, samples=np.full(1, 0.5))  # too short for a header to suffice
    clips = find_clips(tmp_path / "data")
    assert bytes_needed(clips, 16_000) == clips[0].path.stat().st_size + 2 * 2 * 60_000
    assert bytes_needed(clips[1:], 8_000) == 2 * 2 * 30_000
    said: list[str] = []
    monkeypatch.setattr(zoo.data.space, "_WORTH_SAYING", 200_000)
    WaveformStore.open(clips, tmp_path / "store", say=said.append)
    assert said == [f"decoding 2 recordings into {tmp_path / 'store'}: 0.0 GB"]
    WaveformStore.open(clips, tmp_path / "store", say=said.append)
    assert len(said) == 1
    monkeypatch.setattr(zoo.data.space.shutil, "disk_usage", lambda folder: SimpleNamespace(free=50_100_000))
    with pytest.raises(AsdzooError, match=r"needs 0\.00 GB, and the disk has 0\.05 GB free") as caught:
        WaveformStore.open(clips, tmp_path / "elsewhere")
    assert "--run" in caught.value.hint
    assert not list((tmp_path / "elsewhere").glob("own-*"))


def test_other_recordings_under_the_same_name_size_and_time_are_other_recordings(tmp_path: Path, decoded: list[Path]) -> None:
    (clip,) = _own(tmp_path, 40_000)
    before = clip.path.stat()
    WaveformStore.open([clip], tmp_path / "store")
    write_wav(clip.path, samples=np.random.default_rng(9).integers(-99, 99, (40_000, 1), dtype=np.int16))
    os.utime(clip.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert clip.path.stat().st_size == before.st_size
    store = WaveformStore.open([clip], tmp_path / "store")
    assert len(decoded) == 2
    np.testing.assert_array_equal(store.batch([0])[0][0].numpy(), _read(clip))


@pytest.mark.parametrize("channel", [0, 1])
def test_a_bit_that_flips_in_the_store_is_found_and_mended(tmp_path: Path, channel: int) -> None:
    clips = _own(tmp_path, 100, 200, channels=2)
    WaveformStore.open(clips, tmp_path / "store")
    path = tmp_path / "store" / "own-MyPump" / f"channel_{channel}.i16"
    content = bytearray(path.read_bytes())
    content[2 * 150] ^= 4
    path.write_bytes(content)
    store = WaveformStore.open(clips, tmp_path / "store")
    store.batch([0], channel=channel)
    with pytest.raises(AsdzooError, match=r"the stored samples of 1\.wav in .* are damaged") as caught:
        store.batch([0, 1], channel=channel)
    assert "run the same command again" in caught.value.hint
    again = WaveformStore.open(clips, tmp_path / "store")
    np.testing.assert_array_equal(again.batch([1], channel=channel)[0][0].numpy(), _read(clips[1], channel))


def test_a_dead_input_beside_a_live_one_names_the_channel_to_hear(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for number in range(3):
        samples = generator.integers(-999, 999, (300, 2), dtype=np.int16)
        samples[:, 0] = 0
        write_wav(tmp_path / "data" / "MyPump" / "train" / f"{number}.wav", samples=samples)
    store = WaveformStore.open(find_clips(tmp_path / "data"), tmp_path / "store")
    with pytest.raises(AsdzooError, match="channel 0 is silent in 3 of 3 recordings of MyPump, channel 1 is not") as caught:
        store.viewed(view_of("near"))
    assert caught.value.hint == "hear the other one: --set input.channel=1"
    assert store.viewed(view_of("far")).batch([0])[0].any()


def test_training_clips_from_which_nothing_is_learnt_are_left_out_and_said(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "MyPump"
    generator = np.random.default_rng(0)
    for number in range(8):
        write_wav(folder / "train" / f"{number}.wav", samples=0.1 * generator.standard_normal(16_000))
    odd = {"silent": np.zeros(16_000), "constant": np.full(16_000, 0.25), "short": 0.1 * generator.standard_normal(800)}
    for split in ("train", "test"):
        for name, samples in odd.items():
            write_wav(folder / split / f"{name}.wav", samples=samples)
    write_wav(folder / "test" / "one.wav", samples=np.array([0.1]), rate=44_100)
    clips = find_clips(tmp_path / "data")
    store = WaveformStore.open(clips, tmp_path / "store")
    assert [clip.name for clip in store.clips if clip.split == "train"] == [f"{number}.wav" for number in range(8)]
    assert {clip.name for clip in store.clips if clip.split == "test"} == {"silent.wav", "constant.wav", "short.wav"}
    said = {problem.path.name: problem for problem in store.problems if problem.severity == "error"}
    assert set(said) == {"silent.wav", "constant.wav", "short.wav", "one.wav"}
    assert "lasts 0.05 s where others last 1 s, and is left out of training" in str(said["short.wav"])
    assert "is so short that nothing of it is left at 16000 Hz" in str(said["one.wav"])
    assert "short.wav: lasts 0.05 s where training clips last 1 s" in "; ".join(map(str, store.problems))
    found = scan(clips)
    assert (found.rows[0].train, {problem.path.name for problem in found.errors}) == (8, set(said))


def test_one_name_in_two_sections_is_two_recordings(tmp_path: Path, decoded: list[Path]) -> None:
    for section in ("01", "02"):
        folder = tmp_path / "data" / section / "MyPump"
        write_wav(folder / "train" / "a.wav", seconds=0.01 * int(section))
        (folder / "labels.csv").write_text(f"file_name,label,section\na,normal,{section}\n")
    for _ in range(2):
        store = WaveformStore.open(find_clips(tmp_path / "data"), tmp_path / "store")
        assert store.problems == []
        assert store.lengths.tolist() == [160, 320]
        for index, clip in enumerate(store.clips):
            np.testing.assert_array_equal(store.batch([index])[0][0].numpy(), _read(clip))
    assert len(decoded) == 2


def test_only_the_machine_that_changed_is_written_anew(tmp_path: Path, decoded: list[Path]) -> None:
    data = write_tree(tmp_path, "2024", machines=["fan", "valve"])
    clips = find_clips(data)
    WaveformStore.open(clips, tmp_path / "store")
    decoded.clear()
    write_wav(clips[0].path, seconds=0.03)
    store = WaveformStore.open(clips, tmp_path / "store")
    assert {path.parent.parent.name for path in decoded} == {"fan"}
    np.testing.assert_array_equal(store.batch([0])[0][0].numpy(), _read(clips[0]))
    decoded.clear()
    status = clips[0].path.stat()
    os.utime(clips[0].path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))  # the same bytes
    WaveformStore.open(clips, tmp_path / "store")
    assert decoded == []
    assert sorted(path.name for path in (tmp_path / "store").iterdir() if path.is_dir()) == ["2024-fan", "2024-valve"]


@pytest.mark.parametrize("damage", ["no index", "half an index", "another form", "short map", "no map"])
def test_a_damaged_store_is_written_anew(tmp_path: Path, decoded: list[Path], damage: str) -> None:
    clips = _own(tmp_path, 50, 60)
    WaveformStore.open(clips, tmp_path / "store")
    decoded.clear()
    index, samples = tmp_path / "store" / "own-MyPump" / "index.json", tmp_path / "store" / "own-MyPump" / "channel_0.i16"
    if damage == "no index":
        index.unlink()
    elif damage == "half an index":
        index.write_text(index.read_text()[:50])
    elif damage == "another form":
        index.write_text(json.dumps({**json.loads(index.read_text()), "form": 0}))
    elif damage == "short map":
        samples.write_bytes(samples.read_bytes()[:-2])
    else:
        samples.unlink()
    store = WaveformStore.open(clips, tmp_path / "store")
    assert len(decoded) == 2
    np.testing.assert_array_equal(store.batch([1])[0][0].numpy(), _read(clips[1]))


def test_other_rates_are_resampled_and_said_once(tmp_path: Path) -> None:
    time = np.arange(44100) / 44100
    for index in range(3):
        write_wav(tmp_path / "MyPump" / "train" / f"{index}.wav", rate=44100, samples=0.5 * np.sin(880 * np.pi * time + index))
    for _ in range(2):
        store = WaveformStore.open(find_clips(tmp_path / "MyPump"), tmp_path / "store")
        (problem,) = store.problems
        assert problem.severity == "warning"
        assert "3 recordings of MyPump have 44100 Hz and are resampled to 16000 Hz" in problem.sentence
    assert store.lengths.tolist() == [16000] * 3
    wave = store.batch([0])[0][0].numpy()
    wanted = 0.5 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    np.testing.assert_allclose(wave[500:-500], wanted[500:-500], atol=1e-4)
    slower = WaveformStore.open(find_clips(tmp_path / "MyPump"), tmp_path / "store", rate=8000)
    assert slower.lengths.tolist() == [8000] * 3


def test_broken_and_doubled_files_are_left_out_and_listed(tmp_path: Path, decoded: list[Path]) -> None:
    clips = _own(tmp_path, 50, 60, 70, 80)
    clips[0].path.write_bytes(b"")
    write_wav(clips[1].path, samples=np.array([0.0, np.nan]), subtype="FLOAT")
    write_wav(clips[2].path, samples=np.zeros(70))
    for _ in range(2):
        store = WaveformStore.open([*clips, clips[3]], tmp_path / "store")
        assert store.clips == clips[2:]
        assert [(problem.severity, problem.path) for problem in store.problems] == [
            ("error", clips[3].path),
            ("error", clips[0].path),
            ("error", clips[1].path),
            ("warning", clips[2].path),
        ]
    assert len(decoded) == 4
    with pytest.raises(AsdzooError, match=r"none of the 2 recordings can be read; .*0\.wav: is empty"):
        WaveformStore.open(clips[:2], tmp_path / "store")


def test_a_file_that_is_gone_is_listed(tmp_path: Path) -> None:
    clips = _own(tmp_path, 50, 60)
    clips[0].path.unlink()
    store = WaveformStore.open(clips, tmp_path / "store")
    assert store.clips == clips[1:]
    assert "No such file" in str(store.problems[0])


def test_a_store_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips = _own(tmp_path, 50)
    (tmp_path / "file").write_text("")
    with pytest.raises(AsdzooError, match="cannot write the waveform store") as caught:
        WaveformStore.open(clips, tmp_path / "file" / "store")
    assert "2 bytes a sample" in caught.value.hint

    def full(path: Path, value: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zoo.data.stored, "write_json", full)
    with pytest.raises(AsdzooError, match="No space left on device"):
        WaveformStore.open(clips, tmp_path / "store")
    assert [path.name for path in (tmp_path / "store").iterdir()] == [".lock"]


def test_interruption_leaves_no_half_store(tmp_path: Path) -> None:
    clips = find_clips(write_tree(tmp_path, "2024", machines=["fan", "valve"]))

    def interrupt(done: int, total: int) -> None:
        if done == total - 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        WaveformStore.open(clips, tmp_path / "store", progress=interrupt)
    assert [path.name for path in (tmp_path / "store").iterdir() if path.is_dir()] == ["2024-fan"]
    assert len(WaveformStore.open(clips, tmp_path / "store").clips) == len(clips)


def test_a_killed_process_leaves_what_the_next_one_clears(tmp_path: Path) -> None:
    clips = find_clips(write_tree(tmp_path, "2024", machines=["fan"]))
    kill = (
        "import os, sys; from pathlib import Path; from zoo.data.store import WaveformStore\n"
        "from zoo.data.clips import find_clips\n"
        "def die(done, total):\n    if done == 5: os._exit(9)\n"
        "WaveformStore.open(find_clips(Path(sys.argv[1])), Path(sys.argv[2]), progress=die)"
    )
    command = [sys.executable, "-c", kill, str(tmp_path / "dcase2024t2"), str(tmp_path / "store")]
    assert subprocess.run(command, check=False, cwd=Path(__file__).parents[3]).returncode == 9
    assert [path.name[:9] for path in (tmp_path / "store").iterdir() if path.is_dir()] == [".partial-"]
    assert len(WaveformStore.open(clips, tmp_path / "store").clips) == len(clips)
    assert [path.name for path in (tmp_path / "store").iterdir() if path.is_dir()] == ["2024-fan"]


def test_nothing_is_written_into_the_data_folder(tmp_path: Path) -> None:
    data = write_tree(tmp_path, "2026")
    before = {path: path.stat().st_mtime_ns for path in data.rglob("*")}
    WaveformStore.open(find_clips(data), tmp_path / "store")
    assert {path: path.stat().st_mtime_ns for path in data.rglob("*")} == before


def test_no_clips_at_all(tmp_path: Path) -> None:
    assert WaveformStore.open([], tmp_path / "store").clips == []


def test_original_clips(tmp_path: Path) -> None:
    if not (SHARED / "dcase2023_real").is_dir():
        pytest.skip("the original clips of ../shared/data/dcase2023_real are not here")
    clips = find_clips(SHARED / "dcase2023_real")
    store = WaveformStore.open(clips, tmp_path / "store")
    waves, lengths = store.batch(range(len(clips)))
    for clip, wave, length in zip(clips, waves.numpy(), lengths.tolist(), strict=True):
        assert length == (192000 if clip.machine.startswith("Toy") else 160000)
        np.testing.assert_array_equal(wave[:length], _read(clip))
