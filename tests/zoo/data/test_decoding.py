"""Whatever a file holds: it is decoded to the end, or a sentence says why it is not; never a traceback, hang or flood."""

import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.data.decoding import Decoding, resampled
from zoo.data.wavs import read_wav

WAVE = (0.1 * np.random.default_rng(0).standard_normal(16_000)).astype(np.float32)
WHOLE = [
    *(
        ("WAV", kind)
        for kind in ("PCM_16", "PCM_24", "FLOAT", "ULAW", "IMA_ADPCM", "MS_ADPCM", "GSM610", "G721_32", "NMS_ADPCM_16")
    ),
    *(("RF64", "PCM_16"), ("W64", "PCM_16"), ("W64", "GSM610"), ("WAVEX", "PCM_24"), ("AIFF", "PCM_16"), ("AIFF", "IMA_ADPCM")),
    *(("AU", "PCM_16"), ("CAF", "PCM_16"), ("CAF", "ALAC_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS")),
    *(("MP3", "MPEG_LAYER_III"), ("NIST", "PCM_16"), ("VOC", "PCM_16"), ("SVX", "PCM_16")),
]


def _write(path: Path, form: str = "WAV", subtype: str = "PCM_16", samples: np.ndarray = WAVE, rate: int = 16_000) -> bytes:
    soundfile.write(path, samples, rate, format=form, subtype=subtype)
    return path.read_bytes()


def _said(path: Path) -> str:
    return "; ".join(problem.sentence for problem in read_wav(path).problems)


@pytest.mark.parametrize(("form", "subtype"), WHOLE)
def test_whole_and_truncated_recordings_of_every_container(tmp_path: Path, form: str, subtype: str) -> None:
    path = tmp_path / "x.wav"
    content = _write(path, form, subtype)
    recording = read_wav(path)
    assert recording.problems == ()
    assert 16_000 <= len(recording.samples) <= 16_512  # block codecs fill up their last block
    for part in (0.95, 0.6):
        path.write_bytes(content[: int(len(content) * part)])
        assert not read_wav(path).usable
        assert "is truncated" in _said(path)


def test_a_container_that_does_not_say_how_long_it_is(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    _write(path, "IRCAM")
    assert "nobody can say whether it is whole: convert it to wav" in _said(path)


@pytest.mark.parametrize("form", ["WAV", "RF64", "W64", "AIFF", "CAF", "AU"])
def test_headers_that_were_never_finished_are_read_to_the_end(tmp_path: Path, form: str) -> None:
    path = tmp_path / "x.wav"
    content = bytearray(_write(path, form))
    if form == "WAV":
        content[4:8] = content[40:44] = bytes(4)
    elif form == "RF64":
        at = content.index(b"ds64")
        content[at + 8 : at + 32] = bytes(24)
    elif form == "W64":
        at = content.index(b"data\xf3\xac")
        content[at + 16 : at + 24] = struct.pack("<Q", 24)
    elif form == "AIFF":
        at = content.index(b"SSND")
        content[at + 4 : at + 8] = bytes(4)
    elif form == "CAF":
        at = content.index(b"data")
        content[at + 4 : at + 12] = bytes(8)
    else:
        content[8:12] = bytes(4)
    path.write_bytes(content)
    recording = read_wav(path)
    assert "has a header that was never finished" in _said(path)
    np.testing.assert_allclose(recording.samples[:, 0], np.rint(WAVE * 32768), atol=1)


def test_a_header_that_asks_a_little_too_much_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    content = _write(path)
    path.write_bytes(content[:-16])
    recording = read_wav(path)
    assert (recording.usable, len(recording.samples)) == (True, 15_992)
    assert _said(path) == "its header asks for 16 bytes more than there are"


def test_sound_behind_the_end_that_the_header_gives_is_said_and_chunks_are_not(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    content = bytearray(_write(path))
    path.write_bytes(bytes(content) + b"LIST" + struct.pack("<I", 400) + bytes(400))
    assert _said(path) == ""
    content[40:44] = struct.pack("<I", 2_000)
    path.write_bytes(content)
    assert len(read_wav(path).samples) == 1_000
    assert _said(path) == "holds 30000 bytes behind the 2000 of sound that its header gives, which are not read"


def test_floats_with_the_values_of_16_bit_samples_are_taken_as_such(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    wanted = np.rint(WAVE * 32768)
    _write(path, subtype="FLOAT", samples=wanted)
    np.testing.assert_array_equal(read_wav(path).samples[:, 0], wanted)
    assert "taken for the values of 16-bit samples" in _said(path)
    _write(path, subtype="FLOAT", samples=wanted * 0.77)
    assert "its floats are no amplitudes from -1 to 1" in _said(path)
    assert not read_wav(path).usable


@pytest.mark.parametrize("rate", [1, 999, 2_000_000])
def test_absurd_rates_are_refused(tmp_path: Path, rate: int) -> None:
    path = tmp_path / "x.wav"
    _write(path, rate=rate)
    assert f"says a sample rate of {rate} Hz" in _said(path)


def test_channels_are_judged_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    dead = np.zeros_like(WAVE)
    for columns, sentence in [
        ((dead, WAVE), "channel 0 of 2 is silent"),
        ((dead, dead), "is silent"),
        ((dead + 0.1,), "is constant"),
    ]:
        _write(path, samples=np.stack(columns, axis=1))
        assert _said(path) == sentence


def test_what_is_no_regular_file(tmp_path: Path) -> None:
    assert "is a folder, no recording" in _said(tmp_path)
    os.mkfifo(tmp_path / "pipe.wav")
    assert "is no regular file" in _said(tmp_path / "pipe.wav")
    assert "is no regular file" in _said(Path("/dev/zero"))


@pytest.mark.parametrize("samples", [1, 2, 3])
def test_a_recording_of_one_sample(tmp_path: Path, samples: int) -> None:
    path = tmp_path / "x.wav"
    _write(path, samples=WAVE[:samples], rate=44_100)
    decoding = Decoding(path)
    assert decoding.frames == 0
    at_16k = sum(map(len, resampled(decoding.blocks(), decoding, 16_000)))
    assert (decoding.usable, decoding.frames, at_16k) == (True, samples, round(samples * 16 / 44.1))


def test_a_small_file_that_claims_a_long_recording(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    content = bytearray(_write(path, "FLAC"))
    content[21] |= 0x0F
    content[22:26] = b"\xff\xff\xff\xff"
    path.write_bytes(content[:99])
    assert "is truncated: 0 of 68719476735 samples are there" in _said(path)


def test_a_name_that_is_no_text_is_read_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"k\xfchl.wav")
    try:
        path.write_bytes(_write(tmp_path / "x.wav"))
    except OSError:
        pytest.skip("this file system takes names in UTF-8 only")
    assert read_wav(path).usable


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_resampling_in_blocks_is_resampling(tmp_path: Path, rate: int) -> None:
    path = tmp_path / "x.wav"
    samples = 0.1 * np.random.default_rng(1).standard_normal((9 * rate + 7, 2))
    _write(path, samples=samples, rate=rate)
    decoding = Decoding(path)
    blocks = list(resampled(decoding.blocks(), decoding, 16_000))
    assert len(blocks) > 1 or rate == 8_000
    whole = soxr.resample(read_wav(path).samples.astype(np.float32) / 32768, rate, 16_000, quality="HQ")
    np.testing.assert_array_equal(np.concatenate(blocks), np.rint(whole * 32768))


def test_resampling_keeps_what_is_below_the_new_limit_and_takes_what_is_above(tmp_path: Path) -> None:
    time = np.arange(44_100) / 44_100
    for frequency, survives in ((1000, True), (12000, False)):
        _write(tmp_path / "x.wav", samples=0.3 * np.sin(2 * np.pi * frequency * time), rate=44_100)
        decoding = Decoding(tmp_path / "x.wav")
        samples = np.concatenate(list(resampled(decoding.blocks(), decoding, 16_000)))
        level = np.sqrt(np.mean((samples[1000:-1000] / 32768) ** 2))
        assert level == pytest.approx(0.3 / np.sqrt(2) if survives else 0, rel=1e-3, abs=2e-4)


_PEAK = """
import resource, sys
from pathlib import Path
from zoo.data.decoding import Decoding, resampled
decoding = Decoding(Path(sys.argv[1]))
print(sum(map(len, resampled(decoding.blocks(), decoding, 16000))), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_a_long_recording_needs_no_more_memory_than_a_short_one(tmp_path: Path) -> None:
    """Peak memory of a process that decodes and resamples it; silence in FLAC is small on disk."""
    peaks = []
    for minutes in (1, 8):  # 92 MB as int16 at the longest
        path = tmp_path / f"{minutes}.flac"
        with soundfile.SoundFile(path, "w", 96_000, 1, "PCM_16") as flac:
            for _ in range(minutes):
                flac.write(np.zeros(96_000 * 60, np.int16))
        told = subprocess.run([sys.executable, "-c", _PEAK, str(path)], check=True, capture_output=True, text=True)
        samples, peak = map(int, told.stdout.split())
        assert samples == minutes * 60 * 16_000
        peaks.append(peak)
    assert peaks[1] < peaks[0] + 30_000  # kB


_HEAD = st.tuples(
    st.sampled_from([b"RIFF", b"RF64", b"FORM", b"riff", b"caff", b".snd", b"fLaC", b"OggS", b"RIFX"]),
    st.integers(0, 2**32 - 1),
    st.sampled_from([b"WAVE", b"AIFF", b"AIFC", b"8SVX"]),
).map(lambda head: head[0] + struct.pack("<I", head[1]) + head[2])
_CHUNK = st.tuples(
    st.sampled_from([b"fmt ", b"data", b"ds64", b"LIST", b"SSND", b"COMM", b"fact", b"JUNK"]),
    st.sampled_from([0, 1, 16, 18, 40, 2**31, 2**32 - 1]) | st.integers(0, 300),
    st.binary(max_size=60),
).map(lambda chunk: chunk[0] + struct.pack("<I", chunk[1]) + chunk[2])
_FORMAT = st.tuples(
    st.sampled_from([1, 2, 3, 6, 7, 17, 49, 85, 0xFFFE]) | st.integers(0, 65535),
    st.integers(0, 3) | st.integers(0, 65535),
    st.sampled_from([0, 1, 8000, 16000, 44100, 2**32 - 1]),
    st.integers(0, 2**32 - 1),
    st.integers(0, 8) | st.integers(0, 65535),
    st.sampled_from([0, 1, 4, 8, 12, 16, 24, 32, 64]) | st.integers(0, 65535),
).map(lambda fields: b"fmt " + struct.pack("<IHHIIHH", 16, *fields))


@settings(deadline=None, max_examples=300)
@given(head=_HEAD, chunks=st.lists(_FORMAT | _CHUNK, max_size=4), rest=st.binary(max_size=300))
def test_any_header_is_sound_or_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, head: bytes, chunks: list[bytes], rest: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.wav"
    path.write_bytes(head + b"".join(chunks) + rest)
    recording = read_wav(path)
    assert recording.samples.nbytes < 1 << 20
    assert recording.usable == bool(len(recording.samples))
    assert recording.usable or recording.problems[-1].sentence
