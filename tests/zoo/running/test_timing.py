"""Steps that a measurement foretells are those that trainings take."""

from pathlib import Path

import pytest

from tests.zoo.trees import write_tree
from zoo.data.clips import find_clips
from zoo.data.store import WaveformStore
from zoo.networks import Network
from zoo.running.plan import make_plan
from zoo.running.prospects import chosen_systems
from zoo.running.timing import timings
from zoo.running.training_data import training_data
from zoo.training.devices import accelerator_for
from zoo.training.loop import Trainer


@pytest.mark.parametrize(
    ("system", "settings"),
    [("autoencoder_tiny", ["training.steps=100000"]), ("nf_cdee_tiny", ["training.epochs=3", "training.holdout=0"])],
)
def test_steps_of_epochs_are_foretold_of_machines_with_clips_of_other_lengths(
    tmp_path: Path, system: str, settings: list[str]
) -> None:
    write_tree(tmp_path, "2024", machines=["fan"], train=6, test=2, seconds=1.0)
    write_tree(tmp_path, "2024", machines=["gearbox"], train=6, test=2, seconds=3.0)
    store, accelerator = WaveformStore.open(find_clips(tmp_path, "2024"), tmp_path / ".waves"), accelerator_for("cpu")
    plan = make_plan(chosen_systems([system], settings, lambda note: None), store.clips, {}, 0)
    (found,) = timings(plan, store, accelerator)
    assert len(found.tasks) == 2
    for task, steps in zip(found.tasks, found.steps, strict=True):
        network, training = task.system.build_network(task.classes, task.seed), task.system.config.training
        assert isinstance(network, Network)
        assert training is not None
        learnt = training_data(task, network, store, accelerator.device)
        taken = Trainer(network, learnt, training, task.seed, accelerator).steps
        assert steps == pytest.approx(taken, rel=0.1, abs=1)  # a clip of a second has a few frames less than its share
