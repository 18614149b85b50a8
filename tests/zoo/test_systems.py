"""Every shipped system reads, builds and runs; every mistake in a YAML is named."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tests.zoo.trees import write_tree
from zoo import registry
from zoo.config import ablation_paths
from zoo.data.clips import Clip, find_clips
from zoo.data.store import WaveformStore
from zoo.errors import AsdzooError
from zoo.running.plan import make_plan, stamp
from zoo.systems import load_system, system_of, system_paths

NAMES = sorted(system_paths())
TINY = [name for name in NAMES if name.endswith("_tiny")]


def values(name: str = "dual_branch_cnn_tiny") -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(system_paths()[name].read_text())
    return loaded


@pytest.mark.parametrize("name", [*NAMES, *sorted(ablation_paths())])
def test_a_shipped_system_reads_and_resolves_to_itself(name: str) -> None:
    system = load_system(name)
    assert system.config.description
    again = system_of(name, system.resolved(), "resolved")
    assert again.resolved() == system.resolved()


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(TINY)))
def test_a_number_of_a_paper_stands_with_its_place(name: str) -> None:
    text = system_paths()[name].read_text()
    assert load_system(name).config.paper
    assert "#" in text


def test_every_network_has_a_system_and_a_tiny_one_unless_it_needs_no_training() -> None:
    systems = {name: load_system(name) for name in NAMES}
    quick = {name for name, system in systems.items() if name in TINY or system.config.training is None}
    for names in (set(NAMES), quick):
        assert set(registry.names("model")) <= {systems[name].config.model["name"] for name in names}


@pytest.mark.parametrize(
    ("change", "message", "hint"),
    [
        ({"trainning": {}}, "unknown key trainning", "did you mean training"),
        ({"training": {"stepps": 3}}, "unknown key training.stepps", "did you mean steps"),
        ({"training": {"steps": "many"}}, "training.steps: input should be a valid integer", "it is 'many' now"),
        ({"training": {"steps": -1}}, "training.steps: input should be greater than or equal to 0", "-1"),
        ({"train_on": "everything"}, "train_on: input should be 'all', 'group' or 'machine'", "everything"),
        ({"model": {"name": "nf_cde"}}, "unknown model 'nf_cde' (did you mean nf_cdee?)", "known:"),
        ({"model": {}}, "model.name is missing", "zoo/models/"),
        ({"model": {"name": "nf_cdee", "layer": 3}}, "model: unknown key layer", "did you mean layers"),
        ({"detector": {"name": "nn"}}, "unknown detector 'nn'", "known:"),
        ({"detector": {"name": "knn", "metric": "manhattan"}}, "metric: input should be 'cosine' or 'euclidean'", "manhattan"),
        ({"detector": {"name": "density"}}, "needs a network with a likelihood", "detector.name=knn"),
        ({"input": {"seconds": 0}}, "input.seconds: input should be greater than 0", "0"),
        ({"input": {"sample_rate": 8000}}, "input.sample_rate", "8000"),
    ],
)
def test_a_mistake_is_named_with_file_key_and_what_to_do(change: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(AsdzooError) as problem:
        system_of("mine", {**values(), **change}, "configs/mine.yaml")
    assert problem.value.message.startswith("configs/mine.yaml: ")
    assert message in problem.value.message
    assert hint in problem.value.hint


def test_a_missing_block_is_named() -> None:
    without = {key: value for key, value in values().items() if key != "training"}
    with pytest.raises(AsdzooError, match=r"mine.yaml: training is missing"):
        system_of("mine", without, "mine.yaml")


def test_a_training_of_what_has_nothing_to_train_is_refused_and_a_setting_for_all_systems_is_not() -> None:
    with pytest.raises(AsdzooError, match=r"mine.yaml: log_mel has nothing to train"):
        system_of("mine", {**values("log_mel_knn"), "training": {"steps": 3}}, "mine.yaml")
    system = load_system("log_mel_knn", ["training.steps=3", "model.mels=16", "training.batch=2"])
    assert system.config.training is None
    assert system.config.model["mels"] == 16
    assert system.unused == ("training.steps=3", "training.batch=2")
    assert load_system("nf_cdee_tiny", ["training.steps=3"]).unused == ()


def test_an_unknown_system_names_the_nearest() -> None:
    with pytest.raises(AsdzooError, match=r"unknown system 'nf_cde' \(did you mean nf_cdee\?\)"):
        load_system("nf_cde")


def test_a_yaml_file_is_a_system_too(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(values()))
    system = load_system(str(path), ["training.steps=7", "detector={name: knn, k: 2}"])
    assert (system.name, system.config.training.steps, system.config.detector["k"]) == ("mine", 7, 2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["training.steps"], "is not KEY=VALUE"),
        (["description.x=1"], "description is a value, not a block"),
        (["training.steps=[1"], "is not a YAML value"),
    ],
)
def test_a_wrong_set_is_named(settings: list[str], message: str) -> None:
    with pytest.raises(AsdzooError, match=message):
        load_system("nf_cdee_tiny", settings)


@pytest.mark.parametrize(
    ("text", "message"), [("a: 1\na: 2\n", "stands twice"), ("a: [", "no valid YAML"), ("- 1\n", "no mapping")]
)
def test_a_yaml_file_that_is_none_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(AsdzooError, match=message):
        load_system(str(path))


@pytest.mark.parametrize("name", [".yaml", "...yaml", "-x.yaml", "a,b.yaml"])
def test_a_system_is_not_named_by_a_hidden_or_odd_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(yaml.safe_dump(values()))
    with pytest.raises(AsdzooError, match="is no name for a system"):
        load_system(str(tmp_path / name))


def test_classes_are_machine_section_and_attributes() -> None:
    clip = Clip(Path("x.wav"), "2024", "fan", "00", "train", "source", "normal", "n_A")
    assert load_system("dual_branch_cnn_tiny").class_of(clip) == "2024/fan/00/n_A"
    assert load_system("nf_cdee_tiny").class_of(clip) == "2024/fan/00"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> WaveformStore:
    root = tmp_path_factory.mktemp("systems")
    short = write_tree(root, "2024", machines=["fan"], train=3, test=1, seconds=1.5)
    long = write_tree(root / "2024", "2024", machines=["valve"], train=3, test=1, seconds=5.0)
    return WaveformStore.open([*find_clips(short / "dev_data", "2024"), *find_clips(long, "2024")], root / "waves")


def test_windows_are_averaged_and_the_last_is_flush_with_the_end(store: WaveformStore) -> None:
    first = load_system("dual_branch_cnn_tiny", ["input.longer=first"])
    windows = load_system("dual_branch_cnn_tiny", ["input.longer=windows"])
    index = int(np.argmax(store.lengths))
    assert store.lengths[index] == 80000
    assert list(first.hearing._windows(int(store.lengths[index]))) == [0]
    assert list(windows.hearing._windows(int(store.lengths[index]))) == [0, 32000, 48000]
    network = first.build_network([""] * 3, 0)
    short = int(np.argmin(store.lengths))
    both = np.array([index, short])
    np.testing.assert_allclose(first.embed(network, store, both)[1], windows.embed(network, store, both)[1], atol=1e-5)
    assert not np.allclose(first.embed(network, store, both)[0], windows.embed(network, store, both)[0])


def test_embeddings_come_in_order_whatever_the_batch(store: WaveformStore) -> None:
    system = load_system("nf_cdee_tiny")
    network = system.build_network([""] * 2, 0)
    indices = np.arange(len(store.clips))
    whole = system.embed(network, store, indices)
    np.testing.assert_allclose(system.embed(network, store, indices[::-1].copy(), batch=2), whole[::-1], rtol=1e-4, atol=1e-5)
    assert whole.shape == (len(indices), 1, network.dim)
    assert system.embed(network, store, indices[:0]).shape == (0, 1, network.dim)


def test_the_plan_makes_a_task_for_each_group(store: WaveformStore) -> None:
    systems = [load_system("nf_cdee_tiny"), load_system("dual_branch_cnn_tiny")]
    plan = make_plan(systems, store.clips, {}, seed=0)
    assert [(task.system.name, task.group, task.machines) for task in plan] == [
        ("nf_cdee_tiny", "impulsive", ("valve",)),
        ("nf_cdee_tiny", "stationary", ("fan",)),
        ("dual_branch_cnn_tiny", "all", ("fan", "valve")),
    ]
    moved = make_plan(systems, store.clips, {"valve": "stationary"}, seed=0)
    assert [task.machines for task in moved] == [("fan", "valve"), ("fan", "valve")]
    assert {clip.split for task in plan for clip in task.clips} == {"train"}


def test_a_task_is_named_by_all_that_its_result_depends_on(store: WaveformStore) -> None:
    def name(settings: tuple[str, ...] = (), seed: int = 0, clips: slice = slice(None)) -> str:
        return make_plan([load_system("dual_branch_cnn_tiny", settings)], store.clips[clips], {}, seed)[0].name

    assert name() == name(("description=other words", "detector={name: knn, k: 3}"))
    others = {
        name(("training.steps=3",)),
        name(("model.dim=8",)),
        name(seed=1),
        name(clips=slice(1, None)),
        name(("input.seconds=1",)),
    }
    assert len(others | {name()}) == 6


def test_a_changed_recording_has_another_stamp(tmp_path: Path) -> None:
    clip = find_clips(write_tree(tmp_path, "2024", machines=["fan"]))[0]
    before = stamp(clip)
    clip.path.write_bytes(clip.path.read_bytes() + b"\0\0")
    assert stamp(clip) != before


def test_nothing_to_train_on_is_an_error() -> None:
    clip = Clip(Path("x.wav"), "2024", "fan", "00", "test")
    with pytest.raises(AsdzooError, match="no machine has training clips"):
        make_plan([load_system("nf_cdee_tiny")], [clip], {}, 0)
