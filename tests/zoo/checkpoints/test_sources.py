"""A checkpoint has several sources, one sum decides, and `weights fetch --all` says what it is about to fetch."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from submission.cli import main
from zoo.checkpoints import known as checkpoints
from zoo.checkpoints.fetching import fetch
from zoo.errors import AsdzooError
from zoo.files import sha256

CONTENT = b"the file that is meant"


class Hub:
    """Stands for Hugging Face: what each repository gives for a file; a repository without the file fails."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.asked = folder, list[tuple[str, str]]()
        self.gives: dict[str, bytes] = {}

    def download(self, repository: str, file: str, **_: str) -> str:
        self.asked.append((repository, file))
        if repository not in self.gives:
            raise ConnectionError(f"404 {repository}")
        path = self.folder / repository / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.gives[repository])
        return str(path)

    def told(self, url: str, **_: Any) -> SimpleNamespace:
        return SimpleNamespace(etag=None)

    def cached(self, repository: str, file: str, **_: str) -> str | None:
        path = self.folder / repository / file
        return str(path) if path.exists() else None


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """Two checkpoints: `one` with two mirrors, `other` with a single source."""
    (tmp_path / "meant").write_bytes(CONTENT)
    one: dict[str, Any] = {
        "encoder": "wavlm", "file": "model.bin", "beside": ("config.json",), "repository": "first/one", "licence": "MIT",
        "size": len(CONTENT), "sha256": sha256(tmp_path / "meant"),
        "mirrors": [{"repository": "second/one", "file": "deep/copy.bin"}, {"repository": "third/one", "revision": "abc"}],
    }  # fmt: skip
    other = {"encoder": "ced", "file": "model.safetensors", "repository": "first/other", "licence": "Apache-2.0"}
    known = {"one": checkpoints.Known.model_validate(one), "other": checkpoints.Known.model_validate(other)}
    monkeypatch.setattr(checkpoints, "known", lambda: known)
    found = Hub(tmp_path / "hub")
    monkeypatch.setenv("ASDZOO_CACHE", str(tmp_path / "asdzoo"))
    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", found.told)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", found.download)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", found.cached)
    return found


def test_the_next_source_is_tried_and_what_belongs_beside_comes_from_its_folder(hub: Hub) -> None:
    hub.gives = {"second/one": CONTENT}
    said: list[str] = []
    path = fetch("one", said.append).path
    assert path.read_bytes() == CONTENT
    assert hub.asked == [("first/one", "model.bin"), ("second/one", "deep/copy.bin"), ("second/one", "deep/config.json")]
    assert said == ["cannot fetch one from first/one: 404 first/one; trying second/one"]
    assert checkpoints.cached("one") == path


def test_the_sum_decides_which_copy_is_one(hub: Hub) -> None:
    wrong = CONTENT[:-1] + b"X"
    hub.gives = {"first/one": wrong, "second/one": wrong + b"longer", "third/one": CONTENT}
    said: list[str] = []
    assert fetch("one", said.append).path == hub.folder / "third/one/model.bin"
    assert "its model.bin has another SHA-256 than the one meant" in said[0]
    assert "its model.bin has 28 bytes, it should have 22" in said[1]
    assert not (hub.folder / "first/one/model.bin").exists()


def test_all_failures_are_named_and_nothing_stays(hub: Hub) -> None:
    hub.gives = {"second/one": b"?"}
    with pytest.raises(AsdzooError) as caught:
        fetch("one")
    assert [name in caught.value.message for name in ("first/one", "1 bytes, it should have 22", "third/one")] == [True] * 3
    assert not list(hub.folder.rglob("*.bin"))
    assert (
        "get model.bin and config.json of https://huggingface.co/first/one into one folder some other way and give the first in"
        in caught.value.hint
    )


def test_another_site_serves_the_same_repository(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    values = checkpoints.known()["one"].model_dump() | {"revision": "abc", "mirrors": [{"endpoint": "https://mirror.example"}]}
    entry = checkpoints.Known.model_validate(values)
    monkeypatch.setattr(checkpoints, "known", lambda: {"one": entry})
    asked: list[dict[str, Any]] = []

    def download(repository: str, file: str, **where: Any) -> str:
        asked.append(where)
        if "endpoint" not in where:
            raise ConnectionError("403")
        hub.gives = {repository: CONTENT}
        return hub.download(repository, file)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    said: list[str] = []
    assert fetch("one", said.append).path.read_bytes() == CONTENT
    assert said == ["cannot fetch one from first/one: 403; trying first/one at mirror.example"]
    assert asked[1] == {"revision": "abc", "repo_type": "model", "endpoint": "https://mirror.example", "token": False}


def test_every_known_checkpoint_has_a_second_source() -> None:
    for name, entry in checkpoints.known().items():
        assert len(set(entry.sources)) > 1, name


def test_a_mirror_needs_a_sum() -> None:
    entry = {"encoder": "ced", "file": "x", "repository": "a/b", "licence": "MIT", "mirrors": [{"repository": "c/d"}]}
    with pytest.raises(ValueError, match="nothing tells whether it is one"):
        checkpoints.Known.model_validate(entry)


def test_all_are_listed_with_licence_and_size_before_they_are_fetched(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("zoo.cli.weights._needed", lambda: ["one", "other"])
    hub.gives = {"first/one": CONTENT}
    assert main(["weights", "fetch", "--all"]) == 2
    said = capsys.readouterr()
    assert said.out.index("Apache-2.0") < said.out.index("2 of 2 are to be fetched: 0.0 GB, and 1 of unknown size")
    assert "SHA-256 verified" in said.out
    assert "not fetched: other" in said.err
    assert "asdzoo weights fetch other" in said.err
    hub.gives["first/other"] = b"?"
    assert main(["weights", "fetch", "--all"]) == 0
    assert "nobody announces a SHA-256" in capsys.readouterr().out
    assert main(["weights", "fetch", "--all"]) == 0
    assert "0 of 2 are to be fetched" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["one", "--all"]])
def test_one_or_all(hub: Hub, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "fetch", *arguments]) == 2
    assert "name a checkpoint, or say --all" in capsys.readouterr().err


def test_what_shipped_systems_need_is_known() -> None:
    from zoo.cli.weights import _needed

    assert {"beats_iter3", "eat_base"} <= set(_needed()) <= set(checkpoints.known())


def test_the_list_says_the_second_source(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "list"]) == 0
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "one wavlm first/one, or second/one, or third/one" in said
    assert "other ced first/other" in said


@pytest.mark.parametrize("command", [["list"], ["fetch", "--all"]])
def test_the_tables_are_legible_on_eighty_columns(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import zoo.cli.weights as commands

    monkeypatch.setattr(commands.out, "width", 80)
    monkeypatch.setattr(commands, "_fetch", lambda *_: None)
    assert main(["weights", *command]) == 0
    said = capsys.readouterr().out
    needed = commands._needed() if "--all" in command else list(checkpoints.known())
    for name in needed:
        entry = checkpoints.known()[name]
        assert re.search(rf"│ {name} +│ {re.escape(entry.shown_size)} +│ {re.escape(entry.licence)} ", said), name
        assert re.search(rf"│ {re.escape(entry.repository)}, or", said), name
    assert max(map(len, said.splitlines()[:-1])) <= 80


def test_of_several_names_each_is_tried(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    hub.gives = {"first/other": b"?"}
    assert main(["weights", "fetch", "one", "other"]) == 2
    said = capsys.readouterr()
    assert "other/model.safetensors: 1 bytes" in said.out
    assert "error: not fetched: one\n" in said.err
    assert "hint: asdzoo weights fetch one;" in said.err
    assert main(["weights", "fetch", "other", "othr"]) == 2
    assert "unknown checkpoint 'othr'" in capsys.readouterr().err
