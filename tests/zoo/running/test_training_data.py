"""What a task trains on: views, domains in classes, synthetic machines, noise of other machines and far microphones."""

from pathlib import Path

import numpy as np
import pytest
import torch

from zoo.data.clips import find_clips
from zoo.data.store import WaveformStore, in_floats
from zoo.data.synth import write_challenge
from zoo.errors import AsdzooError
from zoo.networks import FrameNetwork, Network
from zoo.running.own_files import save_weights
from zoo.running.plan import Task, make_plan
from zoo.running.training_data import training_data
from zoo.systems import load_system
from zoo.training.data import TrainingData
from zoo.training.devices import accelerator_for
from zoo.training.loop import Hooks, Trainer


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> WaveformStore:
    folder = tmp_path_factory.mktemp("two")
    write_challenge(folder, "tiny", channels=2)
    return WaveformStore.open(find_clips(folder), folder / "waves")


def built(
    store: WaveformStore, *settings: str, machines: int | None = None, name: str = "dual_branch_cnn_tiny"
) -> tuple[TrainingData, Task, Network]:
    system = load_system(name, settings)
    names = sorted({clip.machine for clip in store.clips})[:machines]
    task = make_plan([system], [clip for clip in store.clips if clip.machine in names], {}, 0)[0]
    network = system.build_network(task.classes, 0)
    assert isinstance(network, Network)
    return training_data(task, network, store, torch.device("cpu")), task, network


@pytest.mark.parametrize("name", ["autoencoder_tiny", "mobilenet_tiny"])
def test_a_network_of_frames_is_given_the_vectors_of_all_clips(store: WaveformStore, name: str) -> None:
    system = load_system(name)
    task = make_plan([system], store.clips, {}, 0)[0]
    network = system.build_network(task.classes, 0)
    assert isinstance(network, FrameNetwork)
    data = training_data(task, network, store, torch.device("cpu"))
    assert data.clips is not None
    assert data.prepared
    assert list(data.names) == [f"{clip.machine}/{clip.name}" for clip in task.clips]
    for number in (0, 5, len(task.clips) - 1):
        own = np.flatnonzero(data.clips == number)
        waves, lengths = store.viewed(system.hearing.view).batch([store.clips.index(task.clips[number])])
        vectors, labels, _ = data.fetch(own, None)
        torch.testing.assert_close(vectors, network.vectors(waves, lengths)[0], rtol=1e-4, atol=1e-3)
        assert {task.classes[label] for label in labels.tolist()} == {system.class_of(task.clips[number])}
    assert data.vectors_per_clip == len(data.labels) / len(task.clips)


def test_a_network_of_frames_cannot_be_augmented_in_every_step(store: WaveformStore) -> None:
    system = load_system("autoencoder_tiny", ["augment={mixup: {probability: 1.0}}"])
    task = make_plan([system], store.clips, {}, 0)[0]
    network = system.build_network(task.classes, 0)
    assert isinstance(network, Network)
    with pytest.raises(AsdzooError, match="prepares each clip once"):
        training_data(task, network, store, torch.device("cpu"))


def test_a_view_is_what_the_network_hears(store: WaveformStore) -> None:
    heard = {}
    for view in ("near", "far", "mean", "subtracted", "spectral_subtracted"):
        data, _, _ = built(store, f"input.view={view}")
        heard[view], _, _ = data.fetch(np.arange(4), None)
    assert torch.allclose(heard["mean"], (heard["near"] + heard["far"]) / 2, atol=1e-4)
    assert len({wave[0].sum().item() for wave in heard.values()}) == 5
    assert heard["subtracted"].square().mean() < 0.5 * heard["near"].square().mean()


def test_a_computed_view_is_kept_and_made_once(store: WaveformStore, tmp_path: Path) -> None:
    again = WaveformStore.open(store.clips, store._folders[0].parent)
    built(store, "input.view=subtracted")
    files = sorted(store._folders[0].parent.rglob("view_subtracted_*.i16"))
    assert len(files) == 3
    times = [path.stat().st_mtime_ns for path in files]
    data, _, _ = built(again, "input.view=subtracted")
    assert [path.stat().st_mtime_ns for path in files] == times
    first, _, _ = data.fetch(np.arange(4), None)
    second, _, _ = built(store, "input.view=subtracted")[0].fetch(np.arange(4), None)
    assert torch.equal(first, second)


def test_domains_are_classes_when_asked(store: WaveformStore) -> None:
    _, without, _ = built(store)
    _, with_domain, _ = built(store, "classes={of: attributes, domain: true}")
    assert "2026/SynthGearbox/00/" in without.classes  # it hides its attributes
    assert {"2026/SynthGearbox/00//source", "2026/SynthGearbox/00//target"} <= set(with_domain.classes)


def test_classes_without_attributes_are_told_to_the_loss(store: WaveformStore) -> None:
    _, task, network = built(store, "model.loss={centers: 1, unlabelled_centers: 4}")
    absent = network.get_buffer("heads.whole.absent")
    for name, row in zip(task.classes, absent.tolist(), strict=True):
        assert sum(row) == (0 if name.endswith("/") else 3), name


TWO = "beats_difference_tiny"
CHANGES = ("{pitch: true}", "{pitch: false}")


@pytest.mark.parametrize("speed", CHANGES)
def test_both_microphones_get_the_same(store: WaveformStore, speed: str) -> None:
    """Where the reference is near itself, it stays near itself, whatever is done to the clips."""
    augment = (
        f"augment={{speed: {speed}, noise: {{sources: [machines], probability: 0.7, snr: [0]}}, mixup: {{probability: 1.0}}}}"
    )
    data, _, network = built(store, "input.reference=near", augment, name=TWO)
    waves, labels, lengths = data.fetch(np.arange(8), np.random.default_rng(0))
    plain, _, _ = data.fetch(np.arange(8), None)
    assert waves.shape == plain.shape == (8, 2, 32_000)
    assert torch.equal(waves[:, 0], waves[:, 1])
    assert not torch.allclose(waves, plain)
    assert network.losses(waves, labels, lengths)["arcface"].isfinite()


def test_what_happens_to_near_is_what_happens_without_a_reference_but_for_one_gain(store: WaveformStore) -> None:
    augment = "augment={speed: {}, noise: {sources: [machines], probability: 1.0, snr: [0]}}"
    both, _, _ = built(store, augment, name=TWO)[0].fetch(np.arange(8), np.random.default_rng(3))
    alone = built(store, augment, "input={view: near, seconds: 2.0}", name="beats_lora_tiny")[0]
    one, _, _ = alone.fetch(np.arange(8), np.random.default_rng(3))
    gain = (both[:, 0] * one).sum(1) / one.square().sum(1)
    torch.testing.assert_close(both[:, 0], one * gain[:, None], rtol=1e-4, atol=1e-5)
    assert (gain <= 1 + 1e-5).all()


def test_noise_of_another_machine_is_heard_by_both_microphones_and_that_of_far_by_near_alone(store: WaveformStore) -> None:
    def added(sources: str) -> torch.Tensor:
        augment = f"augment={{noise: {{sources: [{sources}], probability: 1.0, snr: [40]}}}}"  # so quiet that nothing is scaled
        waves = [built(store, *more, name=TWO)[0].fetch(np.arange(8), np.random.default_rng(1))[0] for more in ((), (augment,))]
        return waves[1] - waves[0]

    own, noise = added("far"), added("machines")
    assert own[:, 0].any()
    assert not own[:, 1].any()
    assert noise[:, 0].any()
    assert noise[:, 1].any()


def test_synthetic_machines_are_classes_that_no_clip_of_the_run_has(store: WaveformStore) -> None:
    data, task, network = built(store, "auxiliary={machines: 2, clips: 12}")
    made = [name for name in task.classes if name.startswith("synthetic/")]
    assert task.classes[-len(made) :] == made
    assert len(data.labels) == len(task.clips) + 24
    assert {task.classes[label] for label in data.labels[len(task.clips) :]} == set(made)
    waves, labels, lengths = data.fetch(np.array([len(task.clips), 0, len(task.clips) + 5]), np.random.default_rng(0))
    assert waves.shape == (3, 32_000)
    assert lengths.tolist() == [32_000] * 3
    own, _, _ = data.fetch(np.array([0]), None)
    assert torch.equal(waves[1], own[0])
    assert labels.tolist() == [data.labels[len(task.clips)], data.labels[0], data.labels[len(task.clips) + 5]]
    assert network.losses(waves, labels)["whole"].isfinite()
    twice, _, _ = built(store, "auxiliary={machines: 2, clips: 12}")
    assert torch.equal(twice.fetch(np.arange(84, 90), None)[0], data.fetch(np.arange(84, 90), None)[0])


@pytest.mark.parametrize("source", ["machines", "far"])
def test_noise_is_mixed_in_from_other_machines_and_from_the_far_microphone(store: WaveformStore, source: str) -> None:
    data, _, _ = built(store, f"augment.noise={{sources: [{source}], probability: 1.0, snr: [0.0]}}")
    plain, _, _ = built(store)
    noisy, _, _ = data.fetch(np.arange(6), np.random.default_rng(0))
    clean, _, _ = plain.fetch(np.arange(6), None)
    added = noisy - clean
    ratio = 10 * torch.log10(clean.square().mean(1) / added.square().mean(1))
    assert torch.allclose(ratio, torch.zeros(6), atol=0.1)


@pytest.mark.parametrize(
    ("settings", "machines", "message"),
    [
        (["augment.noise={sources: [machines]}"], 1, "is the only one"),
        (["augment.noise={sources: [supplemental]}"], None, "there is none"),
    ],
)
def test_noise_that_is_not_there_is_an_error(
    store: WaveformStore, settings: list[str], machines: int | None, message: str
) -> None:
    with pytest.raises(AsdzooError, match=message) as raised:
        built(store, *settings, machines=machines)
    assert "augment.noise=null" in raised.value.hint


def test_what_is_prepared_once_cannot_be_augmented(store: WaveformStore) -> None:
    system = load_system("nf_cdee_tiny", ["augment.mixup={}"])
    task = make_plan([system], store.clips, {}, 0)[0]
    network = system.build_network(task.classes, 0)
    assert isinstance(network, Network)
    with pytest.raises(AsdzooError, match="prepares each clip once"):
        training_data(task, network, store, torch.device("cpu"))


def test_a_recording_with_one_channel_has_no_view_of_two(tmp_path: Path) -> None:
    write_challenge(tmp_path, "tiny")
    mono = WaveformStore.open(find_clips(tmp_path), tmp_path / "waves")
    with pytest.raises(AsdzooError, match="needs a near and a far microphone"):
        built(mono, "input.view=subtracted")[0].fetch(np.arange(2), None)
    with pytest.raises(AsdzooError, match="has no channel 1"):
        built(mono, "input.channel=1")[0].fetch(np.arange(2), None)


@pytest.mark.parametrize(
    ("settings", "stored"),
    [
        ([], True),
        (["input.view=far"], True),
        (["input.view=subtracted"], True),
        (["auxiliary={machines: 2, clips: 4}"], True),
        (["augment={mixup: {probability: 1.0}}"], False),  # that is done to floats
    ],
)
def test_waves_of_an_overlapped_training_are_as_they_are_stored(
    store: WaveformStore, settings: list[str], stored: bool
) -> None:
    floats, task, _ = built(store, *settings, "training.overlap=false")
    found, _, _ = built(store, *settings, "training.overlap=true")
    chosen = np.append(np.arange(0, len(task.learnt), 7), len(floats.labels) - 1)
    for generator in (False, True):
        plain, labels, lengths = floats.fetch(chosen, np.random.default_rng(1) if generator else None)
        batch = found.fetch(chosen, np.random.default_rng(1) if generator else None)
        assert plain.dtype == torch.float32
        assert (batch[0].dtype == torch.int16) == (stored or (not generator and "augment" not in str(settings)))
        assert torch.equal(in_floats(batch[0]), plain)
        assert torch.equal(batch[1], labels)
        assert torch.equal(batch[2], lengths)
    assert built(store, "training.overlap=auto")[0].fetch(chosen[:1], None)[0].dtype == torch.float32  # on a CPU


@pytest.mark.parametrize("name", ["beats_lora_tiny", "nf_cdee_tiny"])
def test_an_overlapped_training_ends_with_the_same_bytes(store: WaveformStore, name: str, tmp_path: Path) -> None:
    told: dict[bool, list[tuple[int, float]]] = {False: [], True: []}
    for overlap in (False, True):
        steps = ["training.steps=6", "training.batch=4", "training.holdout=0.2", "training.validate_every=4"]
        system = load_system(name, [*steps, f"training.overlap={str(overlap).lower()}"])
        task = make_plan([system], store.clips, {}, 0)[0]
        network = system.build_network(task.classes, 0)
        assert isinstance(network, Network)
        data = training_data(task, network, store, torch.device("cpu"))
        hooks = Hooks(stepped=lambda taken, own=told[overlap]: own.append((taken.step, taken.loss)))
        assert system.config.training is not None
        Trainer(network, data, system.config.training, 0, accelerator_for("cpu"), hooks).run()
        save_weights(network, tmp_path / f"{overlap}.safetensors")
    assert told[True] == told[False]
    assert len(told[True]) == 6
    assert (tmp_path / "True.safetensors").read_bytes() == (tmp_path / "False.safetensors").read_bytes()
