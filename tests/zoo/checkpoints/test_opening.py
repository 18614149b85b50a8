"""Whatever lies under a checkpoint's name is opened or called what it is; nothing in it is run."""

import pickle
import sys
from argparse import Namespace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from zoo.checkpoints.opening import opened
from zoo.checkpoints.reading import read
from zoo.errors import AsdzooError


@pytest.mark.parametrize("zipped", [True, False])
def test_what_fairseq_puts_beside_tensors_is_let_through(zipped: bool, tmp_path: Path) -> None:
    args = Namespace(encoder_layers=12, lr=[0.5], nested=Namespace(best=np.float64(0.25)))
    numbers = [np.float32(1.5), np.float64(2.5), np.int64(3), np.int32(4), np.bool_(True), np.float16(0.5)]
    content = {"args": args, "model": {"w": torch.arange(3.0)}, "extra_state": {"numbers": numbers}}
    torch.save(content, tmp_path / "fairseq.pt", _use_new_zipfile_serialization=zipped)
    found = opened(tmp_path / "fairseq.pt")
    assert found["args"] == args
    assert found["extra_state"]["numbers"] == numbers
    assert torch.equal(found["model"]["w"], torch.arange(3.0))
    assert read(tmp_path / "fairseq.pt").settings["encoder_layers"] == 12


@pytest.mark.parametrize("room", [b"numpy.core.multiarray", b"numpy._core.multiarray"])
def test_numbers_of_older_and_newer_numpy(room: bytes, tmp_path: Path) -> None:
    written = pickle.dumps({"loss": np.float64(0.25), "model": {}}, protocol=2)
    changed = written.replace(b"numpy._core.multiarray", room).replace(b"numpy.core.multiarray", room)
    torch.save({}, tmp_path / "file.pt", _use_new_zipfile_serialization=False)
    empty = pickle.dumps({}, protocol=2)
    whole = (tmp_path / "file.pt").read_bytes()
    assert whole.count(empty) == 1
    (tmp_path / "file.pt").write_bytes(whole.replace(empty, changed))
    assert opened(tmp_path / "file.pt")["loss"] == 0.25


def omegaconf_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file with a config of omegaconf in it, as fairseq's newer ones have."""
    module = ModuleType("omegaconf.dictconfig")
    kind = type("DictConfig", (dict,), {"__module__": "omegaconf.dictconfig"})
    module.DictConfig = kind  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "omegaconf", ModuleType("omegaconf"))
    monkeypatch.setitem(sys.modules, "omegaconf.dictconfig", module)
    torch.save({"cfg": kind(model="eat"), "model": {"w": torch.arange(3.0)}}, path)


def test_a_file_with_omegaconf_is_refused_with_the_lines_that_convert_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "eat.pt"
    omegaconf_file(path, monkeypatch)
    with pytest.raises(AsdzooError, match=r"is refused: it asks for omegaconf\.dictconfig\.DictConfig") as caught:
        opened(path)
    _, *lines = caught.value.hint.splitlines()
    assert len(lines) == 3
    exec("\n".join(line.strip() for line in lines), {})
    assert torch.equal(opened(tmp_path / "eat.plain.pt")["model"]["w"], torch.arange(3.0))


@pytest.mark.parametrize("name", ["beats.pt", "model.safetensors"])
@pytest.mark.parametrize(
    ("content", "message", "hint"),
    [
        (b"<!DOCTYPE html>\n<html><body>Sign in to download</body></html>", "is a web page, not a checkpoint", "weights fetch"),
        (b"\xef\xbb\xbf\n  <HTML lang=en>", "is a web page, not a checkpoint", "open the link in a browser"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:8623072d\nsize 359905840\n",
            "is a git-lfs pointer of 78 bytes, not the file that it points to",
            "git lfs pull",
        ),
        (b"", "damaged", "weights list"),
        (b'{"error": "not found"}', "damaged", "weights list"),
    ],
)
def test_what_is_no_checkpoint_is_called_what_it_is(name: str, content: bytes, message: str, hint: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AsdzooError, match=message) as caught:
        opened(tmp_path / name)
    assert hint in caught.value.hint
