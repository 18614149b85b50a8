"""The baseline's autoencoder: its size, what its embeddings hold, and training on vectors out of all clips."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from zoo.errors import AsdzooError
from zoo.layers.error_moments import ErrorMoments, error_moments, moments_dim, symmetric
from zoo.models.autoencoder import Autoencoder, Config, build
from zoo.networks import InputShape, side_by_side
from zoo.systems import load_system
from zoo.training.data import TrainingData
from zoo.training.devices import accelerator_for
from zoo.training.loop import Hooks, Trainer, TrainingConfig

SHAPE = InputShape(16000, None)
SMALL = Config(window=256, hop=128, mels=8, width=8, depth=1, bottleneck=3)


def network(config: Config = SMALL, seed: int = 0) -> Autoencoder:
    torch.manual_seed(seed)
    return build(config, SHAPE, 1)


def waves(clips: int, samples: int = 4000, seed: int = 0) -> Tensor:
    return torch.randn(clips, samples, generator=torch.Generator().manual_seed(seed)) * 0.1


def test_it_has_the_papers_number_of_parameters() -> None:
    dense = [(640, 128), *[(128, 128)] * 3, (128, 8), (8, 128), *[(128, 128)] * 3]
    wanted = sum(inputs * outputs + outputs + 2 * outputs for inputs, outputs in dense) + 128 * 640 + 640
    assert wanted == pytest.approx(0.27e6, rel=0.01)
    system = load_system("autoencoder")
    assert system.network_config == Config()
    assert sum(parameter.numel() for parameter in network(Config()).parameters()) == wanted
    assert system.config.train_on == "machine"


def test_a_vector_is_some_frames_side_by_side() -> None:
    frames = torch.arange(12.0).reshape(6, 2)
    assert side_by_side(frames, 3).tolist() == [frames[start : start + 3].flatten().tolist() for start in range(4)]


def test_the_embedding_against_numpy() -> None:
    net, wave = network().eval(), waves(1)
    frames = net.front_end(wave)[0]
    vectors = torch.stack([frames[start : start + 5].flatten() for start in range(len(frames) - 4)])
    with torch.no_grad():
        errors = (vectors - net.layers(vectors)).double().numpy()
    found = ErrorMoments.of(net(wave).detach().numpy())
    blocks = errors.reshape(-1, 8)
    assert (found.vectors[0], found.blocks[0]) == (len(vectors), 5 * len(vectors))
    np.testing.assert_allclose(found.mean[0], blocks.mean(axis=0), rtol=1e-4, atol=1e-4)
    second = symmetric(found.second[0], 8)
    np.testing.assert_allclose(second, sum(np.outer(block, block) for block in blocks) / len(blocks), rtol=1e-4)
    np.testing.assert_allclose(found.mean_square[0], (errors**2).mean(), rtol=1e-5)


def test_embeddings_that_are_no_moments() -> None:
    assert ErrorMoments.of(np.zeros((2, moments_dim(7)))).mean.shape == (2, 7)
    for dim in (1, 2, 3, 5, 128):
        with pytest.raises(AsdzooError, match=f"embeddings of {dim} numbers are no moments"):
            ErrorMoments.of(np.zeros((2, dim)))


@pytest.mark.parametrize("samples", [1, 100, 511, 513])
def test_the_shortest_clip_is_one_vector(samples: int) -> None:
    net = network().eval()
    moments = ErrorMoments.of(net(waves(1, samples)).detach().numpy())
    assert moments.vectors[0] == 1
    assert np.isfinite(moments.second).all()


def test_losses_of_clips_are_losses_of_their_vectors() -> None:
    net, heard, lengths = network().eval(), waves(2), torch.tensor([4000, 2000])
    long, short = net.vectors(heard, lengths)
    assert (len(long), len(short)) == (32 - 4, 16 - 4)
    found = net.losses(heard, torch.tensor([0, 0]), lengths)["mse"]
    together = torch.cat([long, short])
    torch.testing.assert_close(found, (net.layers(together) - together).square().mean())


def vectors_of(clips: int, each: int) -> TrainingData:
    drawn = torch.randn(clips * each, 40, generator=torch.Generator().manual_seed(1)) + 3
    labels, of = np.zeros(clips * each, np.int64), np.repeat(np.arange(clips), each)

    def fetch(chosen: np.ndarray, generator: Any) -> tuple[Tensor, Tensor, Tensor]:
        return drawn[torch.from_numpy(chosen)], torch.from_numpy(labels[chosen]), torch.empty(0)

    return TrainingData(fetch, labels, [f"clip {clip}" for clip in range(clips)], prepared=True, clips=of)


def trained(resume: dict[str, Any] | None = None, hooks: Hooks | None = None, **options: Any) -> tuple[Autoencoder, Trainer]:
    net = network()
    config = TrainingConfig(**{"steps": 1000, "epochs": 3, "batch": 32, "precision": "fp32", **options})
    trainer = Trainer(net, vectors_of(10, 20), config, 5, accelerator_for("cpu"), hooks)
    trainer.run(resume)
    return net, trainer


def test_epochs_are_passes_over_the_vectors() -> None:
    assert trained()[1].step == 19  # 3 x 200 / 32
    assert trained(steps=4)[1].step == 4
    assert trained(epochs=0.5)[1].step == 4


def test_training_learns_and_goes_on_where_it_was() -> None:
    states: list[dict[str, Any]] = []
    hooks = Hooks(save=lambda state: states.append(copy.deepcopy(state)), save_seconds=0.0)
    whole, trainer = trained(hooks=hooks, learning_rate=0.01)
    again, _ = trained(resume=states[7], learning_rate=0.01)
    assert states[7]["step"] == 8
    for name, value in whole.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)
    assert trainer.data.vectors_per_clip == 20
    start = network().losses_of(torch.randn(200, 40) + 3, torch.zeros(200))["mse"]
    assert trainer.history[-1]["mse"] < 0.9 * start


def test_a_clip_is_held_out_whole() -> None:
    data = vectors_of(10, 20)
    kept, held = data.split(0.2, seed=0)
    assert data.clips is not None
    assert len(kept) + len(held) == 200
    assert len(set(data.clips[held])) == 2
    assert set(data.clips[kept]).isdisjoint(data.clips[held])
    assert data.names_of(held) == [f"clip {clip}" for clip in sorted(set(data.clips[held]))]


def test_a_loss_that_is_not_finite_names_clips() -> None:
    data = vectors_of(10, 20)
    bad = TrainingData(
        lambda chosen, generator: (data.fetch(chosen, None)[0] * np.nan, torch.zeros(len(chosen)), torch.empty(0)),
        data.labels,
        data.names,
        prepared=True,
        clips=data.clips,
    )
    with pytest.raises(AsdzooError, match=r"not finite at step 0 .*clips clip \d"):
        Trainer(network(), bad, TrainingConfig(batch=32), 5, accelerator_for("cpu")).run()


def test_moments_do_not_depend_on_how_errors_are_ordered() -> None:
    errors = torch.randn(30, 40)
    torch.testing.assert_close(error_moments(errors, 8), error_moments(errors.flip(0), 8))
