"""The Whisper encoder is that of `transformers`, to 1e-5, on as many frames as there are."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor

from tests.zoo.formula import waves
from zoo.checkpoints import reading
from zoo.encoders.whisper_encoder import Sizes, WhisperEncoder
from zoo.errors import AsdzooError


def pair(**sizes: Any) -> tuple[WhisperEncoder, Any]:
    """The encoder of 2 s, and the model of `transformers` with the same random weights."""
    torch.manual_seed(0)
    config = Sizes.model_validate({**WhisperEncoder.tiny, "positions": 100, "average_pool": False, **sizes})
    settings = transformers.WhisperConfig(
        encoder_layers=config.layers, d_model=config.width, encoder_attention_heads=config.attention_heads,
        encoder_ffn_dim=config.hidden, num_mel_bins=config.mels, max_source_positions=config.positions, decoder_layers=1,
        decoder_attention_heads=1, vocab_size=10, pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1,
    )  # fmt: skip
    model = transformers.WhisperModel(settings).eval()
    for name, parameter in model.encoder.named_parameters():
        if "embed_positions" not in name:
            torch.nn.init.normal_(parameter, std=0.1)
    encoder = WhisperEncoder(config).eval().requires_grad_(False)
    encoder.load_state_dict(tensors_of(model.state_dict()))
    return encoder, model


def tensors_of(state: dict[str, Any]) -> dict[str, Tensor]:
    checkpoint = reading.held(WhisperEncoder, reading.Content(Path("x"), state, {}))
    assert checkpoint is not None
    return checkpoint.tensors


def test_hidden_states_are_those_of_transformers() -> None:
    encoder, model = pair()
    wave = waves(2)
    features, _ = encoder.features(wave)
    assert features.shape == (1, 200, 40)
    with torch.no_grad():
        theirs = model.encoder(features.transpose(1, 2), output_hidden_states=True)
    ours = encoder.hidden_states(features)
    expected = [*theirs.hidden_states[:-1], theirs.last_hidden_state]
    for own, other in zip(ours, expected, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-5, atol=1e-5)


def test_frames_are_those_of_the_feature_extractor() -> None:
    encoder, _ = pair(mels=80)
    extractor = transformers.WhisperFeatureExtractor(feature_size=80)
    clips = [waves(2)[0], waves(1, "short")[0, :11200]]
    rows = torch.nn.utils.rnn.pad_sequence(clips, batch_first=True)
    features, padding = encoder.features(rows, torch.tensor([len(clip) for clip in clips]))
    assert padding is not None
    assert (~padding).sum(1).tolist() == [100, 35]
    for clip, own, frames in zip(clips, features, (200, 70), strict=True):
        theirs = extractor(clip.numpy(), sampling_rate=16000, return_tensors="pt")["input_features"][0].T
        torch.testing.assert_close(own[:frames], theirs[:frames], rtol=1e-4, atol=1e-4)


def test_it_has_its_parameters() -> None:
    with torch.device("meta"):
        encoder = WhisperEncoder(Sizes())
    assert sum(parameter.numel() for parameter in encoder.parameters()) == 634864640
    assert encoder.embed_positions.weight.shape == (1500, 1280)


def test_a_clip_that_is_too_long_names_the_setting() -> None:
    encoder, _ = pair()
    with pytest.raises(AsdzooError, match=r"a clip has 3.0 s, the Whisper encoder hears at most 2.0 s") as caught:
        encoder(encoder.features(waves(3))[0])
    assert "input.seconds" in caught.value.hint


def test_names_of_openai_and_qwen_audio_are_known() -> None:
    encoder, _ = pair()
    names = {
        "embed_positions.weight": "positional_embedding", "layer_norm.": "ln_post.", "self_attn.q_proj": "attn.query",
        "self_attn.k_proj": "attn.key", "self_attn.v_proj": "attn.value", "self_attn.out_proj": "attn.out",
        "self_attn_layer_norm": "attn_ln", "final_layer_norm": "mlp_ln", "fc1": "mlp.0", "fc2": "mlp.2",
    }  # fmt: skip

    def renamed(name: str) -> str:
        head, _, tail = name.rpartition("blocks.")
        if head or name.startswith("blocks."):
            for ours, theirs in names.items():
                tail = tail.replace(ours, theirs)
            return f"blocks.{tail}"
        return name.replace("layer_norm.", "ln_post.").replace("embed_positions.weight", "positional_embedding")

    official = {renamed(name): value for name, value in encoder.state_dict().items()}
    for prefix, average_pool in (("encoder.", None), ("transformer.audio.", True)):
        state = {prefix + name: value for name, value in official.items()}
        if average_pool:
            state |= {f"{prefix}proj.weight": torch.zeros(3, 64), "transformer.h.0.ln_1.weight": torch.zeros(3)}
        else:
            state = {"model_state_dict": state | {"decoder.ln.weight": torch.zeros(3)}}
        checkpoint = reading.held(WhisperEncoder, reading.Content(Path("x"), state, {}))
        assert checkpoint is not None
        assert checkpoint.tensors.keys() == encoder.state_dict().keys()
        assert WhisperEncoder.told(checkpoint).get("average_pool") == average_pool


def test_qwen_audio_averages_neighbours() -> None:
    plain, _ = pair()
    pooled, _ = pair(average_pool=True)
    wave = waves(2)
    for own, of_two in zip(
        plain.hidden_states(plain.features(wave)[0])[:-1], pooled.hidden_states(pooled.features(wave)[0])[:-1], strict=True
    ):
        torch.testing.assert_close(of_two, (own[:, ::2] + own[:, 1::2]) / 2)
