"""What a header and a block tell is what decoding tells, and what was found is remembered until the file changes."""

import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.zoo.trees import clip_name, write_wav
from zoo.data import facts as facts_module
from zoo.data import identity, remembered
from zoo.data.clip import Clip
from zoo.data.clips import find_clips
from zoo.data.facts import decoded_facts, known_facts
from zoo.data.identity import block_hash, content_hash
from zoo.data.scan import scan


def _clip(path: Path) -> Clip:
    return Clip(path, "own", "MyPump", "00", "train")


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Files count as settled at once, folders of one recording are written down; gives the folder of the cache."""
    monkeypatch.setattr(remembered, "_SETTLED", -(10**18))
    monkeypatch.setattr(remembered, "_FEW", 1)
    monkeypatch.setenv("ASDZOO_CACHE", str(tmp_path / "cache"))
    remembered.forget()
    yield tmp_path / "cache"
    remembered.forget()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    subtype=st.sampled_from(["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT"]),
    form=st.sampled_from(["WAV", "WAVEX", "FLAC"]),
    rate=st.sampled_from([500, 8_000, 16_000, 44_100]),
    frames=st.integers(0, 5_000),
    silent=st.lists(st.booleans(), min_size=1, max_size=3),
    amplitude=st.sampled_from([1.0, 1e-5]),
    cut=st.integers(-3, 200),
    behind=st.sampled_from([b"", b"\0", b"LIST\4\0\0\0INFO", b"rubbish", bytes(100)]),
    flip=st.none() | st.tuples(st.integers(0, 60), st.integers(0, 255)),
)
def test_a_header_tells_nothing_that_decoding_does_not(
    tmp_path: Path, subtype: str, form: str, rate: int, frames: int, silent: list[bool], amplitude: float, cut: int,
    behind: bytes, flip: tuple[int, int] | None,
) -> None:  # fmt: skip
    path = tmp_path / "x.wav"
    samples = np.random.default_rng(frames).uniform(-amplitude, amplitude, (frames, len(silent)))
    samples[:, silent] = 0
    if form == "FLAC" and subtype not in ("PCM_16", "PCM_24"):
        subtype = "PCM_16"
    soundfile.write(path, samples, rate, subtype, format=form)
    content = bytearray(path.read_bytes())
    if flip and flip[0] < len(content):
        content[flip[0]] ^= flip[1]
    path.write_bytes(bytes(content[: len(content) - max(cut, 0)]) + behind)
    known = known_facts(_clip(path))
    if known is not None:
        assert known == decoded_facts(_clip(path))
        assert known.problems == ()


@pytest.mark.parametrize(("channels", "subtype"), [(1, "PCM_16"), (2, "PCM_16"), (7, "PCM_24"), (1, "PCM_32")])
@pytest.mark.parametrize("form", ["WAV", "WAVEX"])
def test_whole_wavs_of_integers_need_no_decoding(tmp_path: Path, channels: int, subtype: str, form: str) -> None:
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (16_000, channels))
    soundfile.write(tmp_path / "x.wav", samples, 16_000, subtype, format=form)
    with (tmp_path / "x.wav").open("ab") as file:
        file.write(b"LIST\4\0\0\0INFO")
    content = bytearray((tmp_path / "x.wav").read_bytes())
    content[4:8] = struct.pack("<I", len(content) - 8)
    (tmp_path / "x.wav").write_bytes(content)
    known = known_facts(_clip(tmp_path / "x.wav"))
    assert known is not None
    assert (known.seconds, known.rate, known.channels, known.dead, known.problems) == (1.0, 16_000, channels, [], ())


def test_a_second_scan_reads_nothing(tmp_path: Path, settled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = tmp_path / "2024" / "fan" / "train"
    for index in range(6):
        name = clip_name("00", index, "source", "train", "normal", "n_A")
        write_wav(train / name, subtype="FLOAT" if index % 2 else "PCM_16")
    write_wav(train / clip_name("00", 6, "source", "train", "normal", "n_A"), samples=np.zeros(999))
    first = scan(find_clips(tmp_path / "2024", "2024"))
    remembered.forget()
    monkeypatch.setattr(facts_module, "Decoding", None)
    monkeypatch.setattr(identity, "facts_of_header", None)
    assert scan(find_clips(tmp_path / "2024", "2024")) == first
    assert len(list(settled.rglob("*.json"))) == 1
    assert len(first.problems) == 1


def test_a_file_that_changed_is_looked_at_again(tmp_path: Path, settled: Path) -> None:
    path = write_wav(tmp_path / "a" / "x.wav", samples=np.random.default_rng(0).uniform(-1, 1, 9_000))
    before, blocks = content_hash(path), block_hash(path)
    remembered.keep()
    remembered.forget()
    data, times = bytearray(path.read_bytes()), path.stat()
    data[5_000] ^= 1  # between the blocks
    time.sleep(0.02)  # more than a tick of the clock of a file system
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert block_hash(path) == blocks
    assert content_hash(path) != before
    absent = tmp_path / "absent"
    assert content_hash(absent) == content_hash(tmp_path) == ""


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"form": 1}', b'{"form": 0, "folder": "", "files": {}}', b"\xff\xfe"])
def test_a_damaged_cache_is_none(tmp_path: Path, settled: Path, damage: bytes) -> None:
    path = write_wav(tmp_path / "a" / "x.wav")
    hashed = content_hash(path)
    remembered.keep()
    remembered.forget()
    (kept,) = settled.rglob("*.json")
    kept.write_bytes(damage)
    assert content_hash(path) == hashed


def test_a_cache_that_cannot_be_written_is_none(tmp_path: Path, settled: Path) -> None:
    settled.write_text("a file where the folder should be")
    assert content_hash(write_wav(tmp_path / "a" / "x.wav"))
    remembered.keep()
    assert settled.is_file()


def test_what_changed_just_now_is_not_remembered(tmp_path: Path, settled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "_SETTLED", 2_000_000_000)
    content_hash(write_wav(tmp_path / "a" / "x.wav"))
    remembered.keep()
    assert not settled.exists()


def test_the_cache_forgets_folders_that_were_looked_at_longest_ago(
    tmp_path: Path, settled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembered, "_MOST_FOLDERS", 2)
    for name in "abc":
        content_hash(write_wav(tmp_path / name / "x.wav"))
        remembered.keep()
        for kept in settled.rglob("*.json"):
            os.utime(kept, ns=(0, kept.stat().st_mtime_ns - 10**9))
    assert len(list(settled.rglob("*.json"))) == 2
