"""Checkpoints whose SHA-256 the table does not know, from two sites on this machine: the word of the first that answers counts,
is kept, and what changes afterwards is noticed."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from submission.cli import main
from tests.zoo.checkpoints.hub import Hub
from zoo.checkpoints import known as checkpoints
from zoo.checkpoints.fetching import fetch
from zoo.checkpoints.kept import kept
from zoo.errors import AsdzooError
from zoo.files import cache_folder, sha256

CONTENT = b"the file that is meant"
SUM = hashlib.sha256(CONTENT).hexdigest()
SETTINGS = b'{"do_normalize": true}'


@pytest.fixture
def sites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Hub, Hub]]:
    """Hugging Face and its mirror, which both have the checkpoint `one`."""
    with Hub() as first, Hub() as mirror:
        values: dict[str, Any] = {
            "encoder": "wavlm", "file": "model.bin", "beside": ("settings.json",), "repository": "some/one", "licence": "MIT",
            "mirrors": [{"endpoint": mirror.url}],
        }  # fmt: skip
        table = {"one": checkpoints.Known.model_validate(values)}
        monkeypatch.setattr(checkpoints, "known", lambda: table)
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", first.url)
        template = first.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("ASDZOO_CACHE", str(tmp_path / "asdzoo"))
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        for site in (first, mirror):
            site.put("some/one", "model.bin", CONTENT)
            site.put("some/one", "settings.json", SETTINGS, large=False)
        yield first, mirror


def written(path: Path, content: bytes) -> None:
    """Other content in a file of the Hugging Face cache, whose entries are links."""
    path.resolve().write_bytes(content)


def test_the_announced_sum_is_verified_and_kept(sites: tuple[Hub, Hub], capsys: pytest.CaptureFixture[str]) -> None:
    _, mirror = sites
    assert main(["weights", "fetch", "one"]) == 0
    said = capsys.readouterr().out
    assert "22 bytes, SHA-256 as some/one announces it, kept for later fetches (trust on first use)" in said
    assert "settings.json likewise kept" in said
    path = checkpoints.locate("one")
    assert path.read_bytes() == CONTENT
    seen = kept("one")
    assert seen is not None
    assert seen.said_by == "some/one"
    assert seen.files == {"model.bin": sha256(path), "settings.json": sha256(path.parent / "settings.json")}
    assert not mirror.asked
    assert main(["weights", "fetch", "one"]) == 0
    assert "SHA-256 as it was first fetched" in capsys.readouterr().out


def test_a_copy_that_is_not_what_was_announced_is_thrown_away(sites: tuple[Hub, Hub]) -> None:
    first, mirror = sites
    first.put("some/one", "model.bin", CONTENT[:-1] + b"X")
    first.announced["some/one/model.bin"] = SUM
    said: list[str] = []
    assert fetch("one", said.append).path.read_bytes() == CONTENT
    problem = "cannot fetch one from some/one: its model.bin has another SHA-256 than is announced"
    assert said == [f"{problem}; trying some/one at {mirror.url[7:]}"]


def test_the_mirrors_word_counts_where_the_first_does_not_answer(sites: tuple[Hub, Hub]) -> None:
    first, mirror = sites
    first.away = True
    came = fetch("one")
    assert came.path.read_bytes() == CONTENT
    assert f"as some/one at {mirror.url[7:]} announces it" in came.checked
    assert "Bearer hf_secret" in first.tokens
    assert set(mirror.tokens) == {None}  # the user's token is for Hugging Face alone


def test_a_sum_that_was_kept_holds_for_every_source(sites: tuple[Hub, Hub]) -> None:
    path = fetch("one").path
    for lies in (path, path.parent / "settings.json"):
        lies.resolve().unlink()
        lies.unlink()
    for site in sites:
        site.put("some/one", "model.bin", b"another")
    with pytest.raises(
        AsdzooError, match=r"from some/one and some/one at .*: its model.bin has another SHA-256 than when"
    ) as caught:
        fetch("one")
    assert "--again takes the files as they are now" in caught.value.hint
    assert fetch("one", again=True).path.read_bytes() == b"another"
    assert checkpoints.locate("one").read_bytes() == b"another"


def test_a_file_that_is_not_large_has_no_announced_sum(sites: tuple[Hub, Hub]) -> None:
    for site in sites:
        site.put("some/one", "model.bin", CONTENT, large=False)
    came = fetch("one")
    assert came.checked.startswith("nobody announces a SHA-256; that of this file is kept")
    assert kept("one") is not None


@pytest.mark.parametrize("file", ["model.bin", "settings.json"])
def test_what_changed_since_is_noticed_and_fetched_again(file: str, sites: tuple[Hub, Hub]) -> None:
    path = fetch("one").path
    whole = (path.parent / file).read_bytes()
    written(path.parent / file, whole.replace(b"t", b"f"))
    with pytest.raises(AsdzooError, match=rf"{file} has changed since it was first fetched or used") as caught:
        checkpoints.locate("one")
    assert caught.value.hint.startswith("asdzoo weights fetch one brings back")
    assert (fetch("one").path.parent / file).read_bytes() == whole
    checkpoints.locate("one")


def test_what_another_program_fetched_is_kept_when_it_is_first_used(sites: tuple[Hub, Hub]) -> None:
    from huggingface_hub import hf_hub_download

    path, settings = (Path(hf_hub_download("some/one", file)) for file in ("model.bin", "settings.json"))
    assert kept("one") is None
    assert checkpoints.locate("one") == path
    written(settings, b"{}")
    with pytest.raises(AsdzooError, match=r"settings\.json has changed"):
        checkpoints.locate("one")


def test_a_changed_file_beside_one_whose_sum_the_table_knows(sites: tuple[Hub, Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    one = checkpoints.known()["one"].model_copy(update={"sha256": SUM})
    monkeypatch.setattr(checkpoints, "known", lambda: {"one": one})
    came = fetch("one")
    assert came.checked == "SHA-256 verified; settings.json likewise kept"
    written(came.path.parent / "settings.json", b"{}")
    with pytest.raises(AsdzooError, match=r"settings\.json has changed"):
        checkpoints.locate("one")


def test_sums_that_cannot_be_read_or_kept(sites: tuple[Hub, Hub]) -> None:
    fetch("one")
    file = cache_folder() / "checkpoints" / "one.json"
    assert json.loads(file.read_text())["said_by"] == "some/one"
    file.write_text("{")
    with pytest.raises(AsdzooError, match=r"one\.json, the checksums of one, is damaged") as caught:
        checkpoints.locate("one")
    assert caught.value.hint == "asdzoo weights fetch one --again"
    fetch("one", again=True)
    checkpoints.locate("one")
    file.unlink()
    file.mkdir()
    (file / "in the way").touch()
    said: list[str] = []
    fetch("one", said.append)
    assert said[0].startswith("the checksums of one cannot be kept")


def test_without_a_connection_each_reason_is_said_once(
    sites: tuple[Hub, Hub], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert main(["weights", "fetch", "one"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert said.count("cannot fetch one from some/one and some/one at") == 1
    assert "HF_HUB_OFFLINE is set" in said
    assert "model.bin and settings.json of https://huggingface.co/some/one into one folder" in said


def test_a_site_that_is_not_reached_is_asked_once(sites: tuple[Hub, Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def unreachable(url: str, **_: Any) -> None:
        asked.append(url)
        try:
            raise OSError("Name or service not known")
        except OSError as problem:
            raise RuntimeError("the error of some HTTP library") from problem

    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", unreachable)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *_, **__: pytest.fail("it would be asked for half a minute"))
    silent: set[str] = set()
    for _ in range(2):
        with pytest.raises(AsdzooError, match=r"cannot fetch one from some/one and some/one at 127.*: no connection$"):
            fetch("one", silent=silent)
    assert len(asked) == 2


def test_what_lies_here_needs_no_connection(sites: tuple[Hub, Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    path = fetch("one").path
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    came = fetch("one")
    assert came.path == path
    assert came.checked.startswith("SHA-256 as it was first fetched")


def test_a_site_lost_in_the_middle_is_said(sites: tuple[Hub, Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub.errors import LocalEntryNotFoundError

    def lost(*_: Any, **__: Any) -> str:
        raise LocalEntryNotFoundError("An error happened while trying to locate the file on the Hub and ...")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", lost)
    with pytest.raises(AsdzooError, match=r"some/one at 127.*: no connection$"):
        fetch("one")
