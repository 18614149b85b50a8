"""The speech encoders are those of `transformers`, to 1e-5; what differs is what is asked of every encoder."""

import json
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import save_file

from tests.zoo.formula import waves
from zoo import registry
from zoo.checkpoints import reading
from zoo.encoders._speech import FIELD, Speech, tokens_of
from zoo.encoders.hubert import Hubert
from zoo.encoders.wav2vec2 import Wav2Vec2
from zoo.errors import AsdzooError
from zoo.layers.lora import Tuning
from zoo.models.pretrained import Config, build
from zoo.networks import InputShape
from zoo.systems import load_system

NAMES = ["hubert", "unispeech", "unispeech_sat", "wav2vec2", "wavlm"]
LARGE = {"conv_norm": "layer", "conv_bias": True, "pre_norm": True}


def pair(name: str, **sizes: Any) -> tuple[Speech, Any]:
    """The encoder, and the model of `transformers` with the same random weights and its dropouts off."""
    torch.manual_seed(0)
    kind: type[Speech] = registry.module("encoder", name).ENCODER
    config = kind.sizes.model_validate({**kind.tiny, **sizes})
    settings = getattr(transformers, f"{kind.in_transformers}Config")(**config.for_transformers())
    model = getattr(transformers, f"{kind.in_transformers}Model")(settings).eval()
    for parameter in model.parameters():  # biases and gates as well, which start at zero
        torch.nn.init.normal_(parameter, std=0.1)
    content = reading.Content(Path("model.bin"), model.state_dict(), {})
    checkpoint = reading.held(kind, content)
    assert checkpoint is not None
    encoder = kind(config).eval().requires_grad_(False)
    encoder.load_state_dict(checkpoint.tensors)
    return encoder, model


def states_of(theirs: Any) -> list[torch.Tensor]:
    """Hidden states, the last one with the final LayerNorm, which transformers 5 leaves out of them."""
    return [*theirs.hidden_states[:-1], theirs.last_hidden_state]


def written(folder: Path, model: Any, normalize: bool = True) -> Path:
    """The model as its repository has it."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(model.config.to_dict()))
    (folder / "preprocessor_config.json").write_text(json.dumps({"do_normalize": normalize}))
    return folder / "model.safetensors"


@pytest.mark.parametrize(
    "sizes",
    [{}, LARGE, {"conv_norm": "layer"}, {"pre_norm": True}, {"conv_bias": True}],
    ids=["base", "large", "base, layer norms", "pre-norm, group norm", "base, biases"],
)
@pytest.mark.parametrize("name", NAMES)
def test_hidden_states_are_those_of_transformers(name: str, sizes: dict[str, Any]) -> None:
    encoder, model = pair(name, normalize=False, **sizes)
    wave = waves(2, name)[:, :31987]
    features, padding = encoder.features(wave)
    assert padding is None
    with torch.no_grad():
        theirs = model(wave, output_hidden_states=True)
        ours = encoder.hidden_states(features)
    for own, other in zip(ours, states_of(theirs), strict=True):
        torch.testing.assert_close(own, other, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(encoder(features), theirs.last_hidden_state, rtol=1e-5, atol=1e-5)


@pytest.mark.filterwarnings("ignore")  # WavLM's masks of two types, in transformers
@pytest.mark.parametrize("sizes", [LARGE, {"conv_norm": "layer"}], ids=["large", "base, layer norms"])
@pytest.mark.parametrize("name", NAMES)
def test_padded_batches_without_group_norm_are_those_of_transformers(name: str, sizes: dict[str, Any]) -> None:
    encoder, model = pair(name, normalize=False, **sizes)
    lengths = torch.tensor([32000, 11111, 20001])
    rows = torch.cat([waves(2, str(clip)) for clip in range(3)])
    inside = torch.arange(32000) < lengths[:, None]
    features, padding = encoder.features(rows * inside, lengths)
    assert padding is not None
    with torch.no_grad():
        theirs = model(rows * inside, attention_mask=inside.long(), output_hidden_states=True)
    for own, other in zip(encoder.hidden_states(features, padding), states_of(theirs), strict=True):
        torch.testing.assert_close(own[~padding], other[~padding], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_in_a_padded_batch_of_a_base_model_each_clip_is_what_transformers_makes_of_it_alone(name: str) -> None:
    encoder, model = pair(name, normalize=False)
    clips = [waves(2, "0")[0], waves(2, "1")[0, :11111], waves(2, "2")[0, :20001]]
    rows = torch.nn.utils.rnn.pad_sequence(clips, batch_first=True)
    features, padding = encoder.features(rows, torch.tensor([len(clip) for clip in clips]))
    assert padding is not None
    states = encoder.hidden_states(features, padding)
    for number, clip in enumerate(clips):
        with torch.no_grad():
            theirs = model(clip[None], output_hidden_states=True)
        for own, other in zip(states, states_of(theirs), strict=True):
            torch.testing.assert_close(own[number][~padding[number]], other[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("normalize", [True, False])
def test_waves_are_normalised_as_the_feature_extractor_does(normalize: bool) -> None:
    encoder, _ = pair("hubert", normalize=normalize)
    clips = [waves(2, "long")[0], waves(1, "short")[0, :9000]]
    extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=normalize, return_attention_mask=True)
    theirs = extractor([clip.numpy() for clip in clips], padding=True, sampling_rate=16000, return_tensors="pt")
    rows = torch.nn.utils.rnn.pad_sequence(clips, batch_first=True)
    features, padding = encoder.features(rows, torch.tensor([len(clip) for clip in clips]))
    torch.testing.assert_close(features[:, 0], theirs["input_values"], rtol=1e-5, atol=1e-5)
    assert torch.equal(features[:, 1], theirs["attention_mask"].float())
    assert padding is not None
    assert (~padding).sum(1).tolist() == tokens_of(torch.tensor([32000, 9000])).tolist() == [99, 27]


def test_tokens_are_counted_as_published() -> None:
    assert tokens_of(torch.tensor([FIELD - 1, FIELD, 32000, 160000])).tolist() == [0, 1, 99, 499]


@pytest.mark.parametrize(("name", "count"), [("hubert", 94370944), ("unispeech_sat", 94370944), ("wavlm", 94381168)])
def test_the_base_models_have_their_parameters(name: str, count: int) -> None:
    kind: type[Speech] = registry.module("encoder", name).ENCODER
    with torch.device("meta"):
        encoder = kind(kind.sizes())
    assert sum(parameter.numel() for parameter in encoder.parameters()) == count


def test_xls_r_has_its_parameters() -> None:
    for name in ("wav2vec2_frozen", "wav2vec2_ft", "han_w2v2_ws_sa_tfp"):
        sizes = load_system(name).config.model["sizes"]
        assert sizes == {"layers": 24, "width": 1024, "heads": 16, "hidden": 4096, **LARGE}
    assert not load_system("han_hubert_ws_sa_tfp").config.model.get("sizes")
    with torch.device("meta"):
        encoder = Wav2Vec2(Wav2Vec2.sizes.model_validate(sizes))
    assert sum(parameter.numel() for parameter in encoder.parameters()) == 315437696


@pytest.mark.parametrize("name", NAMES)
def test_a_repository_tells_all_sizes(tmp_path: Path, name: str) -> None:
    encoder, model = pair(name, **LARGE, normalize=name != "wavlm")
    path = written(tmp_path, model, normalize=name != "wavlm")
    again = reading.filled(type(encoder), name, str(path), {})
    for own, other in zip(again.state_dict().values(), encoder.state_dict().values(), strict=True):
        assert torch.equal(own, other)
    assert (again.normalize, again.pre_norm) == (encoder.normalize, encoder.pre_norm)
    assert reading.check(path).encoder == name


def test_what_no_tensor_tells_has_to_be_said(tmp_path: Path) -> None:
    _, model = pair("hubert")
    path = written(tmp_path, model)
    (tmp_path / "preprocessor_config.json").unlink()
    with pytest.raises(
        AsdzooError, match=r"no tensor tells normalize, and no preprocessor_config.json beside it does"
    ) as caught:
        reading.filled(Hubert, "hubert", str(path), {})
    assert "model.sizes.normalize" in caught.value.hint
    assert not reading.filled(Hubert, "hubert", str(path), {"normalize": False}).normalize
    (tmp_path / "config.json").unlink()
    with pytest.raises(AsdzooError, match=r"no tensor tells pre_norm, and no config.json"):
        reading.filled(Hubert, "hubert", str(path), {"normalize": False})
    report = reading.check(path)
    assert {report.encoder, *report.others} == {"hubert", "unispeech", "unispeech_sat", "wav2vec2"}  # nothing tells them apart


@pytest.mark.parametrize(("given", "wanted"), list(permutations(NAMES, 2)))
def test_a_sibling_is_named(tmp_path: Path, given: str, wanted: str) -> None:
    path = written(tmp_path, pair(given)[1])
    with pytest.raises(AsdzooError, match=f"holds {given} weights, the system needs {wanted}"):
        reading.filled(registry.module("encoder", wanted).ENCODER, wanted, str(path), {})


@pytest.mark.parametrize(("given", "wanted"), [("wavlm", "hubert"), ("hubert", "wavlm"), ("unispeech_sat", "wavlm")])
def test_wavlm_is_told_by_its_tensors_alone(tmp_path: Path, given: str, wanted: str) -> None:
    path = written(tmp_path, pair(given)[1])
    (path.parent / "config.json").unlink()
    with pytest.raises(AsdzooError, match=f"holds .*{given}.* weights, the system needs {wanted}"):
        reading.filled(registry.module("encoder", wanted).ENCODER, wanted, str(path), {})


def test_what_files_beside_the_weights_say_belongs_to_a_trained_network(tmp_path: Path) -> None:
    path = written(tmp_path, pair("hubert")[1])
    settings = (f"model.weights={path}", "model.init=checkpoint", "model.sizes={}")
    state = load_system("hubert_frozen_tiny", settings).build_network([""], 0).trained_state()
    again = load_system("hubert_frozen_tiny", settings).build_network([""], 0)
    again.load_trained_state(state)
    again.load_trained_state({"base_sha256": state["base_sha256"]})  # as older runs kept it
    (path.parent / "preprocessor_config.json").write_text('{"do_normalize": false}')
    changed = load_system("hubert_frozen_tiny", settings).build_network([""], 0)
    with pytest.raises(AsdzooError, match=r"other files beside the encoder's weights: they say normalize False, it was True"):
        changed.load_trained_state(state)


def test_a_file_with_a_head_is_known_by_its_prefix(tmp_path: Path) -> None:
    encoder, model = pair("hubert")
    state = {f"hubert.{name}": value.contiguous() for name, value in model.state_dict().items()}
    save_file({**state, "lm_head.weight": torch.zeros(3, 32)}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(model.config.to_dict()))
    report = reading.check(tmp_path / "model.safetensors")
    assert (report.encoder, report.others) == ("hubert", ())
    assert report.ignored == ("lm_head.", "masked_spec_embed")
    assert report.parameters == sum(parameter.numel() for parameter in encoder.parameters())


def test_names_of_older_files_are_known() -> None:
    encoder, model = pair("wav2vec2")
    older = {name.replace("parametrizations.weight.original0", "weight_g"): value for name, value in model.state_dict().items()}
    older = {name.replace("parametrizations.weight.original1", "weight_v"): value for name, value in older.items()}
    assert any(name.endswith("conv.weight_g") for name in older)
    checkpoint = reading.held(Wav2Vec2, reading.Content(Path("x"), older, {}))
    assert checkpoint is not None
    assert checkpoint.tensors.keys() == encoder.state_dict().keys()


@pytest.mark.parametrize("name", NAMES)
def test_an_adapter_beside_every_matrix_is_heard(name: str) -> None:
    kind: type[Speech] = registry.module("encoder", name).ENCODER
    wave = waves(1)
    for matrix in kind.matrices:
        torch.manual_seed(0)
        tuning = Tuning(rank=2, matrices=(matrix,))
        network = build(Config(encoder=name, sizes=dict(kind.tiny), init="random", tuning=tuning), InputShape(16000, None), 2)
        before = network.eval()(wave)
        with torch.no_grad():
            for parameter_name, parameter in network.named_parameters():
                if "lora_B" in parameter_name:
                    parameter.normal_()
        assert not torch.allclose(network(wave), before), matrix
