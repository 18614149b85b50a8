"""What every encoder of `zoo/encoders/` must do, at its own tiny sizes."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from zoo import registry
from zoo.checkpoints import reading
from zoo.encoders._base import Encoder
from zoo.layers.lora import Tuning
from zoo.metadata import Words
from zoo.models.pretrained import Config, build
from zoo.networks import InputShape

SECONDS = (2.0, 0.7, 1.3)


class EncoderContract:
    """Laws of `zoo.encoders._base.Encoder`; a plugin subclasses it with its `name`."""

    name: str

    @property
    def kind(self) -> type[Encoder]:
        kind: type[Encoder] = registry.module("encoder", self.name).ENCODER
        return kind

    def made(self, seed: int = 0) -> Encoder:
        torch.manual_seed(seed)
        return self.kind(self.kind.sizes.model_validate(self.kind.tiny)).eval().requires_grad_(False)

    def waves(self, seconds: float, seed: int = 0) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        samples = round(seconds * self.kind.sample_rate)
        return 0.1 * torch.randn(1, samples, generator=generator)

    def batch(self) -> tuple[list[Tensor], Tensor, Tensor]:
        """Clips alone, and as one zero-padded batch with their lengths."""
        alone = [self.waves(seconds, seed) for seed, seconds in enumerate(SECONDS)]
        longest = max(clip.shape[1] for clip in alone)
        together = torch.cat([torch.nn.functional.pad(clip, (0, longest - clip.shape[1])) for clip in alone])
        return alone, together, torch.tensor([clip.shape[1] for clip in alone])

    def test_it_has_words_for_the_metadata(self) -> None:
        words = registry.module("encoder", self.name).METADATA
        assert isinstance(words, Words)
        assert words.embeddings
        assert all(url.startswith("http") for url in words.external.values())

    def test_hidden_states_are_the_input_and_every_layer(self) -> None:
        encoder = self.made()
        features, padding = encoder.features(self.waves(2.0))
        assert padding is None
        if encoder.spectral:
            assert features.ndim == 3
        states = encoder.hidden_states(features)
        assert len(states) == encoder.layers() + 1
        assert {state.shape for state in states} == {(1, states[0].shape[1], encoder.width)}
        assert all(state.isfinite().all() for state in states)
        torch.testing.assert_close(states[-1], encoder(features))

    def test_tokens_stand_as_the_layout_says(self) -> None:
        encoder = self.made()
        short, long = (encoder(encoder.features(self.waves(seconds))[0]) for seconds in (1.0, 2.0))
        columns = [encoder.layout.grid(tokens).shape[1] for tokens in (short, long)]
        assert 0 < columns[0] < columns[1]
        assert long.shape[1] == encoder.layout.front + columns[1] * encoder.layout.bands

    def test_a_clip_has_the_same_tokens_in_every_batch(self) -> None:
        encoder = self.made()
        alone, together, lengths = self.batch()
        features, padding = encoder.features(together, lengths)
        tokens = encoder(features, padding)
        assert padding is not None
        assert padding.shape == tokens.shape[:2]
        assert padding.dtype == torch.bool
        for clip, row, hidden in zip(alone, tokens, padding, strict=True):
            own = encoder(encoder.features(clip)[0])[0]
            torch.testing.assert_close(row[~hidden], own[: int((~hidden).sum())], rtol=1e-4, atol=1e-4)
            valid, none = encoder.features(clip, torch.tensor([clip.shape[1]]))
            kept = encoder(valid, none)[0] if none is None else encoder(valid, none)[0][~none[0]]
            torch.testing.assert_close(row[~hidden], kept, rtol=1e-4, atol=1e-4)

    @pytest.mark.parametrize("samples", [1, 37, 399])
    def test_a_clip_too_short_for_a_token_is_repeated(self, samples: int) -> None:
        encoder = self.made()
        features, _ = encoder.features(self.waves(1.0)[:, :samples])
        tokens = encoder(features)
        assert tokens.shape[1] > encoder.layout.front
        assert tokens.isfinite().all()

    def test_half_precision_is_near(self) -> None:
        encoder = self.made()
        features, _ = encoder.features(self.waves(1.0))
        with torch.autocast("cpu", torch.bfloat16):
            half = encoder(features).float()
        assert torch.nn.functional.cosine_similarity(half.flatten(), encoder(features).flatten(), dim=0) > 0.99

    def test_recomputed_activations_give_the_same_gradients(self) -> None:
        encoder = self.made()
        parameters = list(encoder.get_submodule(encoder.layer_list).requires_grad_(True).parameters())
        features, _ = encoder.features(self.waves(1.0))
        found = []
        for encoder.checkpointing in (False, True):
            loss = sum(state.square().mean() for state in encoder.hidden_states(features))
            found.append(torch.autograd.grad(loss, parameters, allow_unused=True))  # type: ignore[arg-type]
        for plain, again in zip(*found, strict=True):
            torch.testing.assert_close(plain, again)

    def test_every_matrix_is_there_in_every_layer(self) -> None:
        encoder = self.made()
        assert encoder.matrices
        for layer in encoder.get_submodule(encoder.layer_list).children():
            for module in encoder.matrices.values():
                assert isinstance(layer.get_submodule(module), torch.nn.Linear)

    def test_a_written_checkpoint_comes_back_with_its_sizes(self, tmp_path: Path) -> None:
        encoder = self.made(1)
        state = {name: value.contiguous() for name, value in encoder.state_dict().items()}
        save_file(state, tmp_path / "file.safetensors")
        checkpoint = reading.held(self.kind, reading.read(tmp_path / "file.safetensors"))
        assert checkpoint is not None
        sizes = self.kind.told(checkpoint)
        given = self.kind.sizes.model_validate(self.kind.tiny).model_dump()
        assert sizes
        assert {key: given[key] for key in sizes} == sizes
        rest = {key: value for key, value in self.kind.tiny.items() if key not in sizes}
        again = reading.filled(self.kind, self.name, str(tmp_path / "file.safetensors"), rest)
        assert again.state_dict().keys() == state.keys()
        for name, value in again.state_dict().items():
            assert torch.equal(value, state[name]), name

    def test_it_is_a_system_that_learns(self) -> None:
        config = Config(encoder=self.name, sizes=dict(self.kind.tiny), init="random", tuning=Tuning(rank=2))
        torch.manual_seed(0)
        network = build(config, InputShape(self.kind.sample_rate, None), 3).train()
        _, together, lengths = self.batch()
        losses = network.losses(together, torch.tensor([0, 1, 2]), lengths)
        torch.autograd.backward(list(losses.values()))
        gradients: list[Any] = [parameter.grad for parameter in network.parameters() if parameter.requires_grad]
        assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)
