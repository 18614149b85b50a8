"""What every model promises. A test class per model inherits `ModelContract` and says how to build one."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from zoo import registry
from zoo.config import parse
from zoo.metadata import Words
from zoo.networks import DensityNetwork, Embedder, InputShape, Network, with_parts

RATE = 16000  # Hz
CLASSES = 3


class ModelContract:
    """Laws of `zoo.networks.Embedder`, and of `Network` where there is something to train."""

    name: ClassVar[str]
    options: ClassVar[Mapping[str, Any]] = {}  # its block in a YAML, without the name; small sizes make quick tests
    samples: ClassVar[int | None] = None  # that it wants of every clip; None: it takes clips of any length

    def module(self) -> Any:
        return registry.module("model", self.name)

    def build(self, seed: int = 0) -> Embedder:
        torch.manual_seed(seed)
        module = self.module()
        config = parse(module.Config, dict(self.options), self.name)
        network: Embedder = module.build(config, InputShape(RATE, self.samples), CLASSES)
        return network

    def waves(self, clips: int = 4, seed: int = 0) -> Tensor:
        """Noise of two seconds, or of as many samples as the model wants."""
        generator = torch.Generator().manual_seed(seed)
        return 0.1 * torch.randn(clips, self.samples or 2 * RATE, generator=generator)

    @torch.no_grad()
    def embedded(self, network: Embedder, waves: Tensor, lengths: Tensor | None = None) -> Tensor:
        return with_parts(network.eval()(waves, lengths))

    def test_it_has_words_for_the_metadata(self) -> None:
        words = self.module().METADATA
        assert isinstance(words, Words)
        assert all(url.startswith("http") for url in words.external.values())

    def test_one_finite_embedding_a_clip(self) -> None:
        network = self.build()
        found = self.embedded(network, self.waves())
        assert found.shape == (4, network.parts, network.dim)
        assert found.dtype == torch.float32
        assert found.isfinite().all()

    def test_silence_has_a_finite_embedding(self) -> None:
        assert self.embedded(self.build(), torch.zeros_like(self.waves())).isfinite().all()

    def test_the_input_is_left_alone(self) -> None:
        waves = self.waves()
        before = waves.clone()
        self.embedded(self.build(), waves)
        assert torch.equal(waves, before)

    def test_weights_come_from_the_seed_alone(self) -> None:
        waves = self.waves()
        one, two = self.embedded(self.build(7), waves), self.embedded(self.build(7), waves)
        assert torch.equal(one, two)

    def test_embedding_twice_gives_the_same(self) -> None:
        network, waves = self.build(), self.waves()
        assert torch.equal(self.embedded(network, waves), self.embedded(network, waves))

    def test_a_clip_has_the_same_embedding_alone_and_among_others(self) -> None:
        network, waves = self.build(), self.waves()
        together = self.embedded(network, waves)
        alone = torch.cat([self.embedded(network, waves[row : row + 1]) for row in range(len(waves))])
        torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-4)

    def test_zeros_beyond_a_clips_end_do_not_matter(self) -> None:
        if self.samples is not None:
            return  # every clip has all of its samples
        network, waves = self.build(), self.waves()
        half = waves.shape[1] // 2
        waves[1, half:] = 0
        lengths = torch.tensor([waves.shape[1], half, waves.shape[1], waves.shape[1]])
        together = self.embedded(network, waves, lengths)
        torch.testing.assert_close(self.embedded(network, waves[1:2, :half])[0], together[1], rtol=1e-4, atol=1e-4)

    def test_what_is_kept_makes_the_same_network_again(self) -> None:
        network, waves = self.build(), self.waves()
        if isinstance(network, Network):
            with torch.no_grad():
                for parameter in network.parameters():
                    if parameter.requires_grad:
                        parameter.add_(0.01)
        again = self.build()
        again.load_trained_state({name: value.clone() for name, value in network.trained_state().items()})
        assert torch.equal(self.embedded(again, waves), self.embedded(network, waves))

    def test_it_says_whether_there_is_something_to_train(self) -> None:
        module, network = self.module(), self.build()
        config = parse(module.Config, dict(self.options), self.name)
        needed = module.needs_training(config) if hasattr(module, "needs_training") else True
        assert needed == isinstance(network, Network)
        if needed:
            assert any(parameter.requires_grad for parameter in network.parameters())

    def test_losses_are_finite_and_reach_what_is_trained(self) -> None:
        network = self.build()
        if not isinstance(network, Network):
            return
        losses = network.train().losses(self.waves(6), torch.arange(6) % CLASSES)
        assert losses
        assert all(loss.ndim == 0 and loss.isfinite() for loss in losses.values())
        torch.autograd.backward(list(losses.values()))
        gradients = [parameter.grad for parameter in network.parameters() if parameter.requires_grad]
        assert all(gradient is None or gradient.isfinite().all() for gradient in gradients)
        assert any(gradient is not None and gradient.any() for gradient in gradients)

    def test_a_likelihood_is_one_number_a_clip(self) -> None:
        network = self.build()
        assert bool(getattr(self.module(), "LIKELIHOOD", False)) == isinstance(network, DensityNetwork)
        if isinstance(network, DensityNetwork):
            embeddings = self.embedded(network, self.waves())[:, 0]
            with torch.no_grad():
                found = network.negative_log_likelihood(embeddings, torch.arange(4) % CLASSES)
            assert found.shape == (4,)
            assert found.isfinite().all()
