"""Parameters and operations of a network are those that arithmetic gives."""

import torch
from torch import Tensor, nn

from zoo.networks import Embedder, InputShape, Network
from zoo.training.cost import cost_of


class Small(Network):
    dim = 3

    def __init__(self, samples: int) -> None:
        super().__init__()
        self.frozen = nn.Linear(samples, 5, bias=False).requires_grad_(False)
        self.trained = nn.Linear(5, 3)

    def forward(self, waves: Tensor, lengths: Tensor | None = None) -> Tensor:
        embedding: Tensor = self.trained(self.frozen(waves))
        return embedding

    def losses(self, waves: Tensor, labels: Tensor, lengths: Tensor | None = None) -> dict[str, Tensor]:
        return {"size": self(waves).square().mean()}


def test_parameters_and_multiplications_are_counted() -> None:
    network = Small(100)
    cost = cost_of(network, InputShape(16000, 100))
    assert (cost.parameters, cost.trainable, cost.macs) == (500 + 18, 18, 500 + 15)
    assert network.training


def test_a_network_without_parameters_costs_its_operations() -> None:
    class Bare(Embedder):
        dim = 2

        def forward(self, waves: Tensor, lengths: Tensor | None = None) -> Tensor:
            return waves @ torch.ones(waves.shape[1], 2)

    cost = cost_of(Bare(), InputShape(16000, 100))
    assert (cost.parameters, cost.trainable, cost.macs) == (0, 0, 200)


def test_a_network_for_clips_of_any_length_is_counted_at_ten_seconds() -> None:
    assert cost_of(Small(1000), InputShape(100, None)).macs == 5000 + 15
    assert torch.is_grad_enabled()


def test_attention_is_counted_as_its_two_products() -> None:
    class Attending(Embedder):
        dim = 4

        def forward(self, waves: Tensor, lengths: Tensor | None = None) -> Tensor:
            tokens = waves.view(1, 2, -1, 4)  # two heads
            return nn.functional.scaled_dot_product_attention(tokens, tokens, tokens).flatten(1, 2).mean(1)

    tokens = 80 // 8
    assert cost_of(Attending(), InputShape(16000, 80)).macs == 2 * 2 * tokens * tokens * 4
