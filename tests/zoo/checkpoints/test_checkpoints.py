"""Official checkpoint files are read bit for bit; everything that is wrong with one is said."""

import pickle
import re
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from zoo import registry
from zoo.checkpoints import known as checkpoints
from zoo.checkpoints import reading as weights
from zoo.checkpoints.fetching import fetch
from zoo.cli.weights import app as weights_app
from zoo.encoders import beats, eat
from zoo.encoders._base import Encoder
from zoo.errors import AsdzooError
from zoo.files import sha256
from zoo.systems import load_system, system_of

BEATS = beats.Sizes(layers=3, width=32, heads=2, hidden=64, patch_width=16, position_kernel=8, position_groups=2)
EAT = eat.Sizes(layers=3, width=128, hidden=256, columns=64)
KINDS: dict[str, type[Encoder]] = {"beats": beats.BEATs, "eat": eat.EAT}
TABLE = "encoder.layers.{}.self_attn.relative_attention_bias.weight"


def made(kind: str, seed: int) -> Encoder:
    torch.manual_seed(seed)
    encoder: Encoder = beats.BEATs(BEATS) if kind == "beats" else eat.EAT(EAT)
    with torch.no_grad():
        for value in encoder.state_dict().values():
            value.normal_()
    return encoder


def official(encoder: Encoder) -> dict[str, Tensor]:
    """A state dict as the authors' code writes it: BEATs repeats the position table in every layer."""
    state = {name: value.clone() for name, value in encoder.state_dict().items()}
    if isinstance(encoder, beats.BEATs):
        state.update({TABLE.format(layer): state[TABLE.format(0)].clone() for layer in range(1, encoder.layers())})
    return state


def beats_file(encoder: Encoder) -> dict[str, Any]:
    cfg = {"encoder_layers": 3, "deep_norm": True, "activation_fn": "gelu", "max_distance": 800, "encoder_layerdrop": 0.05}
    return {"cfg": cfg, "model": official(encoder)}


def finetuned_file(encoder: Encoder) -> dict[str, Any]:
    content = beats_file(encoder)
    content["model"] |= {"predictor.weight": torch.zeros(527, 32), "predictor.bias": torch.zeros(527)}
    return content


def openbeats_file(encoder: Encoder) -> dict[str, Any]:
    content = beats_file(encoder)
    content["model"] |= {"patch_embedding_pad.weight": torch.ones(1, 1, 16, 16), "raw2fbank_pad.weight": torch.ones(1, 1, 400)}
    return content


def espnet_file(encoder: Encoder) -> dict[str, Any]:
    content: dict[str, Any] = {f"encoder.{name}": value for name, value in openbeats_file(encoder)["model"].items()}
    return content | {"decoder.linear_out.weight": torch.zeros(5, 32)}


def fairseq_file(encoder: Encoder) -> dict[str, Any]:
    places = ("local_encoder.", "extra_tokens", "fixed_positional_encoder.")
    model: dict[str, Any] = {}
    for name, value in official(encoder).items():
        if name.startswith("pre_norm."):
            name = name.replace("pre_norm.", "context_encoder.norm.")
        inside = name.startswith((*places, "context_encoder."))
        model[f"modality_encoders.IMAGE.{name}" if inside else name] = value
    model["modality_encoders.IMAGE.decoder.blocks.0.0.weight"] = torch.zeros(3)
    model["_ema"] = {"blocks.0.norm1.weight": torch.zeros(3)}
    return {"model": model, "args": None}


def fairseq_finetuned_file(encoder: Encoder) -> dict[str, Any]:
    model = {
        f"model.{name}": value
        for name, value in fairseq_file(encoder)["model"].items()
        if "decoder" not in name and name != "_ema"
    }
    return {"model": model | {"head.weight": torch.zeros(527, 128), "fc_norm.bias": torch.zeros(128)}}


TORCH_FILES = [
    ("beats", beats_file),
    ("beats", finetuned_file),
    ("beats", openbeats_file),
    ("beats", espnet_file),
    ("eat", fairseq_file),
    ("eat", fairseq_finetuned_file),
]


@pytest.fixture
def beats_path(tmp_path: Path) -> Path:
    torch.save(beats_file(made("beats", 1)), tmp_path / "beats.pt")
    return tmp_path / "beats.pt"


def load(kind: str, source: Path | str, **given: Any) -> Encoder:
    return weights.filled(KINDS[kind], kind, str(source), given)


def loaded_equals_saved(kind: str, path: Path) -> None:
    encoder, source = load(kind, path), made(kind, 1)
    assert encoder.state_dict().keys() == source.state_dict().keys()
    for name, value in encoder.state_dict().items():
        assert torch.equal(value, source.state_dict()[name]), name


@pytest.mark.parametrize(("kind", "content"), TORCH_FILES)
@pytest.mark.parametrize("zipped", [True, False])
def test_torch_files_come_back_bit_for_bit(kind: str, content: Any, zipped: bool, tmp_path: Path) -> None:
    torch.save(content(made(kind, 1)), tmp_path / "file.pt", _use_new_zipfile_serialization=zipped)
    loaded_equals_saved(kind, tmp_path / "file.pt")


@pytest.mark.parametrize("extra", [{}, {"model.fc_norm.weight": torch.ones(128), "model.head.bias": torch.ones(527)}])
def test_safetensors_come_back_bit_for_bit(extra: dict[str, Tensor], tmp_path: Path) -> None:
    state = {f"model.{name}": value for name, value in official(made("eat", 1)).items()}
    save_file(state | extra, tmp_path / "model.safetensors")
    loaded_equals_saved("eat", tmp_path / "model.safetensors")


def test_check_says_what_a_file_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(finetuned_file(made("beats", 1)), tmp_path / "file.pt")
    report = weights.check(tmp_path / "file.pt")
    assert (report.encoder, report.others, report.ignored, report.name) == ("beats", (), ("predictor.",), None)
    assert BEATS.model_copy(update=report.sizes) == BEATS
    assert report.sizes.keys() == BEATS.model_dump().keys() - {"dropout", "fbank_mean", "fbank_deviation"}
    assert report.parameters == sum(value.numel() for value in made("beats", 1).state_dict().values())
    save_file({f"model.{name}": value for name, value in official(made("eat", 1)).items()}, tmp_path / "eat.safetensors")
    report = weights.check(tmp_path / "eat.safetensors")
    assert report.sizes == {"layers": 3, "width": 128, "hidden": 256, "columns": 64}


def changed(path: Path, **tensors: Tensor | None) -> None:
    """Rewrite a BEATs file with tensors set or, where None, left out; `__` stands for a dot."""
    content = torch.load(path, weights_only=True)
    for name, value in tensors.items():
        name = name.replace("__", ".")
        if value is None:
            del content["model"][name]
        else:
            content["model"][name] = value
    torch.save(content, path)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"encoder__layers__1__fc1__weight": None}, "encoder.layers.1.fc1.weight missing"),
        ({"encoder__layers__1__fc1__gamma": torch.ones(3)}, "encoder.layers.1.fc1.gamma not known to the encoder"),
        ({"layer_norm__bias": torch.ones(17)}, "layer_norm.bias has shape (17,), the encoder's is (16,)"),
        ({"encoder__layers__2__self_attn__relative_attention_bias__weight": torch.ones(320, 2)}, "is not the first layer's"),
    ],
)
def test_what_does_not_fit_is_named(tensors: dict[str, Tensor | None], message: str, beats_path: Path) -> None:
    changed(beats_path, **tensors)
    for read in (weights.check, partial(load, "beats")):
        with pytest.raises(AsdzooError, match=re.escape(message)):
            read(beats_path)


@pytest.mark.parametrize(("key", "value"), [("deep_norm", False), ("activation_fn", "relu")])
def test_other_settings_are_refused(key: str, value: object, beats_path: Path) -> None:
    content = torch.load(beats_path, weights_only=True)
    content["cfg"][key] = value
    torch.save(content, beats_path)
    with pytest.raises(AsdzooError, match=f"its {key} is {value!r}"):
        load("beats", beats_path)


def test_what_a_file_says_of_itself_is_taken(beats_path: Path) -> None:
    content = torch.load(beats_path, weights_only=True)
    content["cfg"]["max_distance"] = 1280
    torch.save(content, beats_path)
    assert isinstance(encoder := load("beats", beats_path), beats.BEATs)
    assert encoder.max_distance == 1280
    with pytest.raises(AsdzooError, match=r"has max_distance 1280, model\.sizes\.max_distance is 800") as caught:
        load("beats", beats_path, max_distance=800)
    assert caught.value.hint.endswith("--set model.sizes={}")
    assert isinstance(encoder := load("beats", beats_path, layers=3, fbank_mean=11.0), beats.BEATs)
    assert encoder.fbank_mean == 11.0


def test_a_file_of_another_size_passes_check_and_becomes_a_system(tmp_path: Path) -> None:
    torch.manual_seed(1)
    wide = eat.EAT(eat.Sizes(layers=2, width=1024, hidden=4096, columns=64))
    path = tmp_path / "eat_large.safetensors"
    save_file({f"model.{name}": value.contiguous() for name, value in wide.state_dict().items()}, path)
    assert weights.check(path).sizes == {"layers": 2, "width": 1024, "hidden": 4096, "columns": 64}
    settings = [f"model.weights={path}", "model.init=checkpoint"]
    with pytest.raises(AsdzooError, match=r"has width 1024, model\.sizes\.width is 64"):
        load_system("eat_lora_tiny", settings).build_network([""] * 3, 0)
    system = load_system("eat_lora_tiny", [*settings, "model.sizes={}"])
    network = system_of("again", system.resolved(), "run.json").build_network([""] * 3, 0)
    assert network.dim == 1024
    assert not network.untrained
    assert torch.equal(network.state_dict()["encoder.extra_tokens"], wide.extra_tokens)
    with pytest.raises(AsdzooError, match="layers 7-12, the encoder has 1-2") as caught:
        load_system("eat_lora", [f"model.weights={path}"]).build_network([""] * 3, 0)
    assert "model.tuning.raised=null" in caught.value.hint


def test_a_file_that_two_encoders_know_is_said_to_be_of_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "eat.safetensors"
    save_file(official(made("eat", 1)), path)
    known = registry.module

    def module(kind: registry.Kind, name: str) -> ModuleType:
        if name == "broken":
            raise AsdzooError("the encoder broken of the package x cannot be used")
        return known(kind, "eat" if name == "twin" else name)

    monkeypatch.setattr(registry, "module", module)
    others = registry.names
    made_up = ["beats", "broken", "eat", "twin"]
    monkeypatch.setattr(registry, "names", lambda kind: made_up if kind == "encoder" else others(kind))
    assert (weights.check(path).encoder, weights.check(path).others) == ("eat", ("twin",))
    weights_app(["check", str(path)], standalone_mode=False)
    assert "eat or twin" in capsys.readouterr().out


def test_sizes_that_a_library_refuses_are_one_sentence(beats_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("embed_dim must be divisible by num_heads")

    monkeypatch.setattr(beats.BEATs, "__init__", refuse)
    with pytest.raises(AsdzooError, match=r"beats\.pt: no encoder can be built of its sizes: embed_dim must be") as caught:
        weights.check(beats_path)
    assert "model.sizes" in caught.value.hint


def test_json_beside_a_checkpoint(tmp_path: Path) -> None:
    assert weights.beside(tmp_path / "model.safetensors", "config.json") == {}
    (tmp_path / "config.json").write_text('{"model_type": "wavlm"}')
    assert weights.beside(tmp_path / "model.safetensors", "config.json") == {"model_type": "wavlm"}
    (tmp_path / "config.json").write_text('{"model_type": ')
    with pytest.raises(AsdzooError, match=r"config\.json is not readable JSON"):
        weights.beside(tmp_path / "model.safetensors", "config.json")


def test_the_wrong_encoder_is_refused(beats_path: Path) -> None:
    with pytest.raises(AsdzooError, match="holds beats weights, the system needs eat") as caught:
        load("eat", beats_path)
    assert "--set model.encoder=beats" in caught.value.hint


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    torch.save({"model": {"conv1.weight": torch.ones(3)}}, tmp_path / "resnet.pt")
    for read in (weights.check, partial(load, "beats")):
        with pytest.raises(AsdzooError, match=r"weights of no known encoder \(.*beats, .*\): it begins with conv1.weight"):
            read(tmp_path / "resnet.pt")
    torch.save([torch.ones(3)], tmp_path / "list.pt")
    with pytest.raises(AsdzooError, match="holds a list, not named tensors"):
        weights.read(tmp_path / "list.pt")
    torch.save({"patch_embedding.weight": torch.ones(1), "layer_norm.bias": "none"}, tmp_path / "text.pt")
    with pytest.raises(AsdzooError, match="bias is no tensor"):
        weights.check(tmp_path / "text.pt")
    torch.save({"patch_embedding.weight": torch.ones(1)}, tmp_path / "part.pt")
    with pytest.raises(AsdzooError, match="weight_v' is missing"):
        weights.check(tmp_path / "part.pt")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99])
def test_a_truncated_file_is_refused(share: float, beats_path: Path, tmp_path: Path) -> None:
    whole = beats_path.read_bytes()
    beats_path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(AsdzooError, match="damaged"):
        weights.read(beats_path)
    save_file({f"model.{name}": value for name, value in official(made("eat", 1)).items()}, tmp_path / "a.safetensors")
    whole = (tmp_path / "a.safetensors").read_bytes()
    (tmp_path / "a.safetensors").write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(AsdzooError, match="damaged"):
        weights.read(tmp_path / "a.safetensors")


class Malicious:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.trace,))


@pytest.mark.parametrize("protocol", [None, 2, 4])
def test_a_malicious_pickle_does_not_run(protocol: int | None, tmp_path: Path) -> None:
    trace, path = tmp_path / "it ran", tmp_path / "evil.pt"
    if protocol is None:
        torch.save({"model": Malicious(trace)}, path)
    else:
        path.write_bytes(pickle.dumps({"model": Malicious(trace)}, protocol))
    with pytest.raises(AsdzooError, match=r"is refused: .* not trusted to run code|no torch checkpoint"):
        weights.read(path)
    assert not trace.exists()


def test_the_table_of_known_checkpoints() -> None:
    for name, entry in checkpoints.known().items():
        assert entry.sha256 is None or re.fullmatch("[0-9a-f]{64}", entry.sha256), name
    assert checkpoints.known()["eat_base"].shown_size == "360 MB"


def test_unknown_and_missing_names() -> None:
    with pytest.raises(AsdzooError, match=r"unknown checkpoint 'beats_iter4' \(did you mean beats_iter3"):
        checkpoints.locate("beats_iter4")
    with pytest.raises(AsdzooError, match=r"no file nowhere.beats\.pt"):
        checkpoints.locate("nowhere/beats.pt")
    with pytest.raises(AsdzooError, match=r"model\.weights names none"):
        checkpoints.locate(None)
    with pytest.raises(
        AsdzooError, match=r"no file facebook.hubert-base-ls960; the repository of that name has hubert_base"
    ) as said:
        checkpoints.locate("facebook/hubert-base-ls960")
    assert said.value.hint == "asdzoo weights fetch hubert_base, and --set model.weights=hubert_base"
    with pytest.raises(AsdzooError, match="unknown checkpoint"):
        checkpoints.cached("beats_iter4")


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, beats_path: Path, tmp_path: Path) -> Path:
    """A known checkpoint `here`, whose download gives the file at the returned path."""
    monkeypatch.setenv("ASDZOO_CACHE", str(tmp_path / "asdzoo"))
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_, **__: None)
    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", lambda *_, **__: SimpleNamespace(etag=None))
    entry = checkpoints.Known(
        encoder="beats",
        file="beats.pt",
        repository="someone/beats",
        revision="abc",
        size=beats_path.stat().st_size,
        sha256=sha256(beats_path),
        licence="MIT",
    )
    monkeypatch.setattr(checkpoints, "known", lambda: {"here": entry})

    def download(repository: str, file: str, revision: str, repo_type: str) -> str:
        assert (repository, file, revision, repo_type) == ("someone/beats", "beats.pt", "abc", "model")
        return str(beats_path)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    return beats_path


def test_what_belongs_beside_a_checkpoint_comes_along(served: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    entry = checkpoints.known()["here"].model_copy(update={"beside": ("config.json",)})
    monkeypatch.setattr(checkpoints, "known", lambda: {"here": entry})
    came: list[str] = []

    def download(repository: str, file: str, **_: str) -> str:
        came.append(file)
        return str(served.parent / file)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    assert fetch("here").path == served
    assert came == ["beats.pt", "config.json"]
    here = {"beats.pt": str(served)}
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda _, file, **__: here.get(file))
    assert checkpoints.cached("here") is None
    here["config.json"] = str(served.parent / "config.json")
    assert checkpoints.cached("here") == served


def test_fetch_verifies(served: Path) -> None:
    assert fetch("here").path == served


@pytest.mark.parametrize(("change", "message"), [(b"x", "bytes, it should have"), (None, "another SHA-256 than the one meant")])
def test_a_fetched_file_that_is_another_is_removed(change: bytes | None, message: str, served: Path) -> None:
    content = served.read_bytes()
    served.write_bytes(content + change if change else content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(AsdzooError, match=message):
        fetch("here")
    assert not served.exists()


def test_a_failed_download_is_one_sentence(served: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> str:
        raise ConnectionError("name resolution\nfailed")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", fail)
    with pytest.raises(AsdzooError, match="cannot fetch here from someone/beats: name resolution failed") as caught:
        fetch("here")
    assert "weights check FILE" in caught.value.hint


def test_what_was_fetched_is_found_and_verified(served: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_, **__: str(served))
    loaded = load("beats", "here")
    assert torch.equal(loaded.get_parameter("layer_norm.bias"), made("beats", 1).get_parameter("layer_norm.bias"))
    served.write_bytes(served.read_bytes()[:-1])
    with pytest.raises(AsdzooError, match="bytes, here has"):
        load("beats", "here")


def test_what_was_not_fetched_is_said(served: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_, **__: None)
    with pytest.raises(AsdzooError, match="pretrained weights here are not here") as caught:
        load("beats", "here")
    assert caught.value.hint.startswith("asdzoo weights fetch here")


def test_the_commands(served: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_, **__: None)

    def run(*arguments: str) -> str:
        weights_app(list(arguments), standalone_mode=False)
        return " ".join(capsys.readouterr().out.split())

    assert "someone/beats" in run("list")
    assert "SHA-256 verified" in run("fetch", "here")
    shown = run("check", str(served))
    assert "known as here" in shown.replace("│", "").replace("  ", " ")
    with pytest.raises(AsdzooError, match="unknown checkpoint 'there'"):
        run("fetch", "there")
    with pytest.raises(AsdzooError, match=r"no file nothing\.pt"):
        run("check", "nothing.pt")
