"""One patient connection, against a server that cuts, stalls, refuses and lies."""

import random
import socket
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.zoo.data.mirror import Fault, Mirror
from zoo.data.transfer import Client, NotThereError, Patience, TransferError

BODY = random.Random(0).randbytes(300_000)
QUICK = Patience(timeout=0.3, tries=4, first_wait=0.01, longest_wait=1.0)


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with Mirror() as mirror:
        mirror.put(1, "a.zip", BODY)
        yield mirror


def download(mirror: Mirror, folder: Path, size: int | None = len(BODY), patience: Patience = QUICK) -> list[str]:
    """Fetch a.zip, see that it is right, and return what was said on the way."""
    said: list[str] = []
    Client("asdzoo again", said.append, patience).download(f"{mirror.url}/records/1/files/a.zip", folder / "a.part", size)
    assert (folder / "a.part").read_bytes() == BODY
    return said


@pytest.mark.parametrize("size", [len(BODY), None])
@pytest.mark.parametrize(
    ("faults", "requests"),
    [
        ([], 1),
        ([Fault("cut", 1000), Fault("cut", 100_000), Fault("cut", 7)], 4),
        ([Fault("stall", 1000)], 2),
        ([Fault("stall", 0), Fault("cut", 0), Fault("status", 403)], 4),
        ([Fault("status", 403), Fault("status", 429), Fault("status", 503)], 4),
        ([Fault("cut", 1000), Fault("whole")], 2),
        ([Fault("cut", 1000), Fault("whole", 0), Fault("cut", 5)], 2),
        ([Fault("cut", 1000), Fault("none", 0, (("Content-Range", "bytes 5-299999/300000"),))], 3),
    ],
)
def test_what_passes_is_overcome(mirror: Mirror, tmp_path: Path, faults: list[Fault], requests: int, size: int | None) -> None:
    mirror.faults["a.zip"] = list(faults)
    said = download(mirror, tmp_path, size)
    assert len(mirror.asked) == requests
    assert len(said) >= requests - 1  # no wait and no new start without a word
    assert {one.agent for one in mirror.asked} == {f"asdzoo/{version('asdzoo')}"}


def test_only_the_rest_is_asked_for(mirror: Mirror, tmp_path: Path) -> None:
    mirror.faults["a.zip"] = [Fault("cut", 1000), Fault("cut", 500)]
    download(mirror, tmp_path)
    assert [one.range for one in mirror.asked] == ["", "bytes=1000-", "bytes=1500-"]


def test_a_connection_that_brings_something_each_time_is_never_given_up(mirror: Mirror, tmp_path: Path) -> None:
    mirror.faults["a.zip"] = [Fault("cut", 10_000)] * 25
    download(mirror, tmp_path)
    assert len(mirror.asked) == 26


@pytest.mark.parametrize("size", [len(BODY), None])
def test_a_part_that_is_whole_needs_no_more(mirror: Mirror, tmp_path: Path, size: int | None) -> None:
    (tmp_path / "a.part").write_bytes(BODY)
    assert download(mirror, tmp_path, size) == []


@pytest.mark.parametrize("size", [len(BODY), None])
def test_a_part_that_is_too_long_is_begun_again(mirror: Mirror, tmp_path: Path, size: int | None) -> None:
    (tmp_path / "a.part").write_bytes(BODY + b"more")
    assert "longer than the file" in download(mirror, tmp_path, size)[0]


@pytest.mark.parametrize(
    ("faults", "sentence"),
    [
        ([Fault("status", 403)] * 9, "answered 403 Forbidden (4 tries in "),
        ([Fault("status", 429)] * 9, "answered 429 Too Many Requests (4 tries in "),
        ([Fault("cut", 0)] * 9, "the connection was cut at 0 of 300,000 bytes (4 tries in "),
        ([Fault("stall", 0)] * 9, "nothing came for 0.3 s (4 tries in "),
        ([Fault("cut", 1000)] + [Fault("status", 500)] * 9, "answered 500 Internal Server Error (4 tries in "),
    ],
)
def test_patience_ends(mirror: Mirror, tmp_path: Path, faults: list[Fault], sentence: str) -> None:
    mirror.faults["a.zip"] = list(faults)
    with pytest.raises(TransferError) as problem:
        download(mirror, tmp_path)
    assert sentence in problem.value.message
    assert problem.value.message.startswith("a.zip: ")
    assert "asdzoo again" in problem.value.hint
    mirror.faults["a.zip"] = []
    download(mirror, tmp_path)  # the same command goes on


def test_a_server_that_begins_anew_and_is_cut_at_the_same_place_is_given_up(mirror: Mirror, tmp_path: Path) -> None:
    mirror.faults["a.zip"] = [Fault("cut", 5000)] + [Fault("whole", 5000)] * 9
    with pytest.raises(TransferError):
        download(mirror, tmp_path)
    assert len(mirror.asked) == QUICK.tries  # 5000 bytes again are nothing new
    assert (tmp_path / "a.part").stat().st_size == 5000


def test_the_server_says_how_long_to_wait(mirror: Mirror, tmp_path: Path) -> None:
    mirror.faults["a.zip"] = [Fault("status", 429, (("Retry-After", "0"),))]
    assert "again in 0 s" in download(mirror, tmp_path)[0]
    (tmp_path / "a.part").unlink()
    mirror.faults["a.zip"] = [Fault("status", 429, (("Retry-After", "3600"),))]
    with pytest.raises(TransferError, match="asks to come back in 3600 s"):
        download(mirror, tmp_path)


def test_waits_grow_to_a_limit() -> None:
    patience = Patience()
    waits = [patience.wait_after(failures) for failures in range(1, 9)]
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300]


def test_another_size_than_the_record_says_is_an_error(mirror: Mirror, tmp_path: Path) -> None:
    with pytest.raises(TransferError, match=r"serves a.zip with 300,000 bytes, where its record says 299,999"):
        download(mirror, tmp_path, size=299_999)
    mirror.faults["a.zip"] = [Fault("cut", 10, (("Content-Length", "299999"),))]
    with pytest.raises(TransferError, match=r"with 299,999 bytes, where its record says 300,000"):
        download(mirror, tmp_path)


def test_what_does_not_pass_is_said_at_once(mirror: Mirror, tmp_path: Path) -> None:
    client = Client("asdzoo again", patience=QUICK)
    with pytest.raises(NotThereError, match="answered 404"):
        client.download(f"{mirror.url}/records/1/files/b.zip", tmp_path / "b.part", None)
    mirror.faults["a.zip"] = [Fault("status", 401)]
    with pytest.raises(TransferError, match="answered 401"):
        client.download(f"{mirror.url}/records/1/files/a.zip", tmp_path / "a.part", None)
    with pytest.raises(TransferError, match="no web address"):
        client.get_json("file:///etc/passwd")
    mirror.files["/api/records/x"] = b"<html>"
    with pytest.raises(TransferError, match="sent no JSON"):
        client.get_json(f"{mirror.url}/api/records/x")


def test_a_host_that_is_not_there_is_not_waited_for(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with pytest.raises(TransferError, match=f"127.0.0.1:{port} cannot be reached") as problem:
        Client("asdzoo again", patience=Patience()).download(f"http://127.0.0.1:{port}/a.zip", tmp_path / "a.part", None)
    assert "asdzoo again" in problem.value.hint
