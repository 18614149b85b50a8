"""NF-CDEE: the flow is a density, its likelihood is one pass, and what stands before it is batch norm and a mean."""

import math

import numpy as np
import pyro
import pytest
import torch
import yaml
from pydantic import ValidationError
from torch import Tensor, nn

from zoo.config import shipped_configs
from zoo.features.fourier import clips_at_once
from zoo.models.nf_cdee import ConditionalFlow, Config, NfCdee, PooledBatchNorm, build
from zoo.networks import InputShape, Network

MEBI = 2**20
SHAPE = InputShape(sample_rate=16000, samples=None)
TINY = Config(window=512, hop=256, mels=16, layers=3, hidden=49)


def shipped(name: str) -> Config:
    content = yaml.safe_load((shipped_configs() / "systems" / f"{name}.yaml").read_text())
    del content["model"]["name"]
    return Config(**content["model"])


def tiny(classes: int = 3, seed: int = 0) -> NfCdee:
    torch.manual_seed(seed)
    network = build(TINY, SHAPE, classes)
    assert isinstance(network, NfCdee)
    return network


def bent_flow(dim: int = 2, classes: int = 2) -> ConditionalFlow:
    """A flow with weights large enough to be far from a normal distribution."""
    torch.manual_seed(1)
    flow = ConditionalFlow(dim, classes, layers=3, hidden=24)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return flow


def waves_of(clips: int, samples: int = 4000, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 0.1 * torch.randn(clips, samples, generator=generator)


class TestSize:
    """Table 1 of [T24]; M is 2**20, and the total counts what a checkpoint holds."""

    def test_parameters_for_eight_machines(self) -> None:
        network = build(shipped("nf_cdee"), SHAPE, classes=8)
        trainable = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
        total = sum(value.numel() for value in network.state_dict().values())
        assert trainable / MEBI == pytest.approx(6.27, rel=0.01)
        assert total / MEBI == pytest.approx(7.28, rel=0.01)

    def test_the_tiny_one_is_the_same_network(self) -> None:
        network = build(shipped("nf_cdee_tiny"), SHAPE, classes=2)
        assert network(waves_of(2)).shape == (2, network.dim)

    def test_too_few_units_are_refused(self) -> None:
        with pytest.raises(ValidationError, match="needs as many units as mels, 16"):
            Config(window=512, hop=256, mels=16, layers=3, hidden=15)


class TestFlow:
    @pytest.mark.parametrize("label", [0, 1])
    def test_the_density_integrates_to_one(self, label: int) -> None:
        flow = bent_flow().double()
        with torch.no_grad():
            mean, deviation = _moments(flow, label)
            axes = [torch.linspace(-1, 1, 400, dtype=torch.float64) * 15 * deviation[d] + mean[d] for d in range(2)]
            grid = torch.cartesian_prod(*axes)
            density = flow(grid, torch.full((len(grid),), label)).exp()
            cell = (axes[0][1] - axes[0][0]) * (axes[1][1] - axes[1][0])
            assert (density.sum() * cell).item() == pytest.approx(1.0, abs=1e-3)

    def test_the_likelihood_is_the_change_of_variables_formula(self) -> None:
        flow = bent_flow(dim=3).double()
        labels = torch.tensor([1])
        inverses = [transform.inv for transform in reversed(flow.density(labels).transforms)]

        def to_noise(value: Tensor) -> Tensor:
            for transform in inverses:
                value = transform(value)
            return value

        for value in torch.randn(5, 1, 3, dtype=torch.float64):
            jacobian = torch.autograd.functional.jacobian(to_noise, value).reshape(3, 3)
            noise = to_noise(value)
            expected = -0.5 * noise.square().sum() - 1.5 * math.log(2 * math.pi) + jacobian.det().abs().log()
            assert flow(value, labels).item() == pytest.approx(expected.item(), abs=1e-9)

    def test_the_inverse_round_trips(self) -> None:
        flow = bent_flow(dim=12, classes=4)
        labels = torch.arange(20) % 4
        values = torch.randn(20, 12)
        transforms = flow.density(labels).transforms
        with torch.no_grad():
            noise = values
            for transform in reversed(transforms):
                noise = transform.inv(noise)
            back = noise.clone()  # a clone is not in Pyro's cache
            for transform in flow.density(labels).transforms:
                back = transform(back)
        assert not torch.allclose(noise, values, atol=0.1)
        torch.testing.assert_close(back, values, atol=1e-4, rtol=1e-4)

    def test_the_likelihood_is_one_pass_through_each_layer(self) -> None:
        flow = ConditionalFlow(dim=32, classes=2, layers=4, hidden=97)
        passes: list[str] = []
        for layer in flow.layers:
            layer.nn.register_forward_hook(lambda *_: passes.append("layer"))
        flow(torch.randn(8, 32), torch.zeros(8, dtype=torch.long)).sum().backward()
        assert len(passes) == 4

    def test_it_starts_as_the_standard_normal_density(self) -> None:
        values = torch.randn(6, 10)
        expected = torch.distributions.Normal(0.0, 1.0).log_prob(values).sum(1)
        flow = ConditionalFlow(dim=10, classes=2, layers=4, hidden=31)
        torch.testing.assert_close(flow(values, torch.arange(6) % 2), expected)

    def test_every_parameter_has_a_gradient(self) -> None:
        flow = bent_flow(dim=8, classes=2)
        flow(torch.randn(64, 8), torch.arange(64) % 2).sum().backward()
        assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in flow.parameters())

    def test_the_condition_matters_and_only_that_of_the_row(self) -> None:
        flow = bent_flow(dim=4, classes=3)
        values = torch.randn(1, 4).repeat(3, 1)
        one, two, three = flow(values, torch.tensor([0, 1, 2])).tolist()
        assert len({round(value, 4) for value in (one, two, three)}) == 3
        assert flow(values, torch.tensor([0, 2, 2])).tolist() == pytest.approx([one, three, three], rel=1e-5)

    def test_samples_follow_the_density(self) -> None:
        flow = bent_flow()
        with torch.no_grad():
            labels = torch.zeros(20000, dtype=torch.long)
            samples = flow.density(labels).sample()
            mean, deviation = _moments(flow, 0)
        torch.testing.assert_close(samples.mean(0), mean, atol=0.05, rtol=0.05)
        torch.testing.assert_close(samples.std(0), deviation, atol=0.05, rtol=0.05)

    def test_two_classes_are_learnt_as_two_densities(self) -> None:
        torch.manual_seed(0)
        flow = ConditionalFlow(dim=2, classes=2, layers=3, hidden=24)
        labels = torch.arange(512) % 2
        values = torch.randn(512, 2) * 0.4 + torch.where(labels == 0, 1.0, -1.0)[:, None]
        optimizer = torch.optim.Adam(flow.parameters(), 1e-2)
        for _ in range(150):
            optimizer.zero_grad()
            loss = -flow(values, labels).mean()
            loss.backward()
            optimizer.step()
        entropy = 2 * (0.5 * math.log(2 * math.pi * math.e) + math.log(0.4))  # nats, of what the values were drawn from
        assert loss.item() == pytest.approx(entropy, abs=0.15)
        right, wrong = -flow(values, labels), -flow(values, 1 - labels)
        assert (wrong > right).float().mean() > 0.99


class TestCheckpoint:
    def test_permutations_are_seeded_and_saved(self) -> None:
        one, two, other = tiny(seed=0), tiny(seed=0), tiny(seed=1)
        saved = one.state_dict()["flow.permutations"]
        assert torch.equal(saved, two.flow.permutations)
        assert not torch.equal(saved, other.flow.permutations)
        assert all(torch.equal(order.sort().values, torch.arange(16)) for order in saved)
        assert len({tuple(order.tolist()) for order in saved}) > 1

    def test_a_loaded_network_gives_the_same_bits(self) -> None:
        one, other = tiny(seed=0), tiny(seed=1)
        waves, labels = waves_of(5), torch.tensor([0, 1, 2, 0, 1])
        one(waves)  # moves the running statistics
        other.load_state_dict(one.state_dict())
        one.eval(), other.eval()
        with torch.no_grad():
            assert torch.equal(one(waves), other(waves))
            assert torch.equal(
                one.negative_log_likelihood(one(waves), labels), other.negative_log_likelihood(other(waves), labels)
            )

    def test_masks_are_not_in_the_checkpoint_but_move_with_the_network(self) -> None:
        network = tiny()
        assert not [name for name in network.state_dict() if "mask" in name]
        masks = [buffer for name, buffer in network.double().named_buffers() if name.endswith("mask")]
        assert len(masks) == 2 * TINY.layers
        assert all(mask.dtype == torch.float64 for mask in masks)

    def test_pyro_keeps_nothing(self) -> None:
        network = tiny()
        network.losses(waves_of(4), torch.tensor([0, 1, 2, 0]))["nll"].backward()
        assert len(pyro.get_param_store()) == 0


class TestPooling:
    def test_it_is_batch_norm_over_valid_frames_and_the_mean_over_time(self) -> None:
        torch.manual_seed(0)
        network = tiny()
        reference = nn.BatchNorm1d(16, affine=False)
        waves, lengths = waves_of(6, 5000), torch.tensor([5000, 3000, 600, 4000, 5000, 1024])
        waves = waves * torch.linspace(0.1, 1, 6)[:, None] * (torch.arange(5000) < lengths[:, None])
        for _ in range(3):
            pooled = network(waves, lengths)
            clips = [network.log_mel(wave[None, :length])[0] for wave, length in zip(waves, lengths.tolist(), strict=True)]
            normalised = reference(torch.cat(clips)).split([len(clip) for clip in clips])
            expected = torch.stack([clip.mean(0) for clip in normalised])
            torch.testing.assert_close(pooled, expected, atol=1e-4, rtol=1e-4)
        assert reference.running_mean is not None
        assert reference.running_var is not None
        torch.testing.assert_close(network.norm.running_mean, reference.running_mean, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(network.norm.running_var, reference.running_var, atol=1e-4, rtol=1e-4)
        network.eval(), reference.eval()
        expected = torch.stack([reference(clip).mean(0) for clip in clips])
        torch.testing.assert_close(network(waves, lengths), expected, atol=1e-4, rtol=1e-4)

    def test_padding_changes_nothing(self) -> None:
        network = tiny().eval()
        wave = waves_of(1, 3000)
        padded = torch.cat([wave, torch.zeros(1, 2000)], dim=1)
        torch.testing.assert_close(network(padded, torch.tensor([3000])), network(wave))

    def test_no_lengths_means_all_samples(self) -> None:
        network, waves = tiny().eval(), waves_of(3, 3000)
        assert torch.equal(network(waves), network(waves, torch.tensor([3000] * 3)))

    def test_many_clips_are_the_same_as_few(self) -> None:
        network = tiny().eval()
        waves = waves_of(clips_at_once(2000) + 3, 2000)
        one_by_one = torch.cat([network(wave[None]) for wave in waves])
        torch.testing.assert_close(network(waves), one_by_one, atol=1e-5, rtol=1e-5)

    def test_nothing_before_the_flow_is_trained(self) -> None:
        """Trainable scales could raise the likelihood without end by shrinking the vector."""
        network = tiny()
        assert {name.split(".")[0] for name, _ in network.named_parameters()} == {"flow"}
        assert not network(waves_of(4)).requires_grad

    def test_silent_and_constant_clips_are_finite(self) -> None:
        network = tiny()
        losses = network.losses(torch.zeros(4, 3000), torch.tensor([0, 1, 2, 0]))
        assert torch.isfinite(losses["nll"])
        assert torch.isfinite(network.eval()(torch.zeros(1, 3000))).all()

    def test_one_frame_in_the_whole_batch(self) -> None:
        norm = PooledBatchNorm(4, momentum=0.1)
        one_frame = torch.stack([torch.arange(4.0), torch.zeros(4), torch.ones(4)])[None]
        assert torch.equal(norm(one_frame), torch.zeros(1, 4))
        assert torch.isfinite(norm.running_var).all()


class TestTraining:
    def test_what_is_prepared_once_gives_the_same_loss(self) -> None:
        one, two = tiny(), tiny()
        waves, labels, lengths = waves_of(4), torch.tensor([0, 1, 2, 0]), torch.tensor([4000, 3000, 2000, 4000])
        whole = one.losses(waves, labels, lengths)["nll"]
        assert torch.equal(whole, two.losses_of(two.prepare(waves, lengths), labels)["nll"])
        assert torch.equal(one(waves, lengths), two.embed(two.prepare(waves, lengths)))

    def test_the_loss_is_the_mean_negative_log_likelihood(self) -> None:
        network = tiny()
        waves, labels = waves_of(4), torch.tensor([0, 1, 2, 0])
        expected = network.negative_log_likelihood(network(waves), labels).mean()
        torch.testing.assert_close(network.losses(waves, labels)["nll"], expected)

    def test_autocast_leaves_the_likelihood_in_float32(self) -> None:
        network = tiny().eval()
        vectors, labels = torch.randn(4, 16), torch.tensor([0, 1, 2, 0])
        plain = network.negative_log_likelihood(vectors, labels)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            cast = network.negative_log_likelihood(vectors, labels)
        assert cast.dtype == torch.float32
        assert torch.equal(cast, plain)

    def test_two_hundred_steps_without_clipping_the_gradient(self) -> None:
        network: Network = tiny(classes=2)
        labels = torch.arange(96) % 2
        tone = torch.sin(torch.arange(4000) * 0.3)
        waves = waves_of(96) + 0.3 * tone * (labels == 1)[:, None]
        assert isinstance(network, NfCdee)
        prepared = network.prepare(waves)
        optimizer = torch.optim.Adam(network.parameters(), 1e-3)
        order = np.random.default_rng(0)
        history = []
        for _ in range(200):
            batch = torch.from_numpy(order.choice(96, 48, replace=False))
            optimizer.zero_grad()
            loss = network.losses_of(prepared[batch], labels[batch])["nll"]
            loss.backward()
            optimizer.step()
            history.append(loss.item())
        assert np.isfinite(history).all()
        assert np.mean(history[-10:]) < np.mean(history[:10]) - 10  # nats
        network.eval()
        with torch.no_grad():
            embeddings = network(waves)
            right = network.negative_log_likelihood(embeddings, labels).mean()
            wrong = network.negative_log_likelihood(embeddings, 1 - labels).mean()
        assert right + 10 < wrong


def _moments(flow: ConditionalFlow, label: int) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the density of one class, by sums over a grid."""
    dtype = next(flow.parameters()).dtype
    axis = torch.linspace(-30, 30, 601, dtype=dtype)
    grid = torch.cartesian_prod(axis, axis)
    weights = flow(grid, torch.full((len(grid),), label)).exp()[:, None]
    weights = weights / weights.sum()
    mean = (weights * grid).sum(0)
    return mean, (weights * (grid - mean) ** 2).sum(0).sqrt()


class TestNoise:
    """Noise is on the vectors, and in training only."""

    def losses(self, noise: float, training: bool, seed: int) -> float:
        torch.manual_seed(0)
        network = build(TINY.model_copy(update={"noise": noise}), SHAPE, 2).train(training)
        torch.manual_seed(seed)
        return network.losses(waves_of(6), torch.arange(6) % 2)["nll"].item()

    def test_only_training_has_noise(self) -> None:
        assert self.losses(0.2, training=False, seed=1) == self.losses(0.0, training=False, seed=2)
        assert self.losses(0.2, training=True, seed=1) != self.losses(0.2, training=True, seed=2)

    def test_it_widens_what_the_flow_sees(self) -> None:
        """A flow that is still the identity pays half a square of the noise in each dimension."""
        more = np.mean([self.losses(0.5, training=True, seed=seed) for seed in range(50)]) - self.losses(0.0, True, 0)
        assert more == pytest.approx(TINY.mels * 0.5**2 / 2, rel=0.25)
