"""The sum of layers: what counts, from the start and after training."""

import numpy as np
import pytest
import torch

from tests.zoo.formula import waves
from zoo.errors import AsdzooError
from zoo.layers.layer_sum import LayerSum
from zoo.models.pretrained import Pretrained
from zoo.systems import load_system


def states() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, 5, 3, generator=generator) for _ in range(4)]


def network(*settings: str, name: str = "beats_lora_tiny") -> Pretrained:
    found = load_system(name, settings).build_network([""] * 3, 0)
    assert isinstance(found, Pretrained)
    return found


def test_the_sum_is_a_softmax_over_all_states() -> None:
    layers = LayerSum("weighted", 4)
    assert layers.logits is not None
    torch.testing.assert_close(layers(states()), torch.stack(states()).mean(0))
    logits = np.array([0.3, -1.0, 2.0, 0.1], np.float32)
    with torch.no_grad():
        layers.logits.copy_(torch.from_numpy(logits))
    weights = np.exp(logits) / np.exp(logits).sum()
    expected = sum(weight * state.numpy() for weight, state in zip(weights, states(), strict=True))
    np.testing.assert_allclose(layers(states()).detach().numpy(), expected, rtol=1e-5, atol=1e-6)


def test_some_layers_count_alike() -> None:
    torch.testing.assert_close(LayerSum((1, 3), 4)(states()), (states()[1] + states()[3]) / 2)
    torch.testing.assert_close(LayerSum((2,), 4)(states()), states()[2])


def test_weights_are_learned_and_saved() -> None:
    one = network("model.layers=weighted")
    state = one.trained_state()
    assert state["layer_sum.logits"].shape == (3,)
    torch.autograd.backward(list(one.losses(torch.cat([waves(2), waves(2, "b")]), torch.tensor([0, 1])).values()))
    assert one.layer_sum is not None
    assert one.layer_sum.logits is not None
    gradient = one.layer_sum.logits.grad
    assert gradient is not None
    assert gradient.abs().max() > 0
    with torch.no_grad():
        one.layer_sum.logits.copy_(torch.tensor([1.0, 2.0, 3.0]))
    again = network("model.layers=weighted")
    again.load_trained_state(one.trained_state())
    torch.testing.assert_close(again.eval()(waves(2)), one.eval()(waves(2)))


def test_the_last_layer_is_a_choice_of_layers() -> None:
    torch.testing.assert_close(network("model.layers=[2]").eval()(waves(2)), network().eval()(waves(2)))
    assert "layer_sum.logits" not in network("model.layers=[2]").trained_state()


def test_detectors_are_given_the_chosen_layers_too() -> None:
    frozen = network("model.layers=[1]", name="beats_frozen_tiny").eval()
    named = network("model.embedding={layers: 1, pooling: rdp, gamma: 4.0}", name="beats_frozen_tiny").eval()
    torch.testing.assert_close(frozen(waves(2)), named(waves(2)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["model.layers=[3]"], "model.layers names layer 3, the encoder has 2"),
        (["model.layers=[]"], r"model: layers: layers are last, weighted, or numbers in a list, as in \[4, 8\]"),
        (["model.layers=first"], "layers are last, weighted, or numbers in a list"),
        (["model.layers=[-1]"], "layers are last, weighted, or numbers in a list"),
        (["model.layers=weighted", "model.loss=null", "model.tuning.mode=frozen", "model.projection=null"], "are learned"),
    ],
)
def test_a_wrong_choice_is_named(settings: list[str], message: str) -> None:
    with pytest.raises(AsdzooError, match=message):
        load_system("beats_lora_tiny", settings).build_network([""], 0)
