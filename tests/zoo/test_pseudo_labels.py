"""Pseudo-labels: what clusters are, that the order of clips is nothing to them, and where they are kept."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster import hierarchy

from zoo.data.clips import find_clips
from zoo.data.store import WaveformStore
from zoo.data.synth import write_challenge
from zoo.errors import AsdzooError
from zoo.pseudo_labels import PseudoConfig, clusters, counted, placed, pseudo_labels, untold
from zoo.running.plan import Task, make_plan
from zoo.running.pseudo_files import FILE, read_pseudo_labels, with_pseudo_labels
from zoo.systems import load_system, system_of

CPU = torch.device("cpu")
HIDDEN = "SynthGearbox"  # the machine of the tiny challenge that hides its attributes


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> WaveformStore:
    folder = tmp_path_factory.mktemp("two")
    write_challenge(folder, "tiny", channels=2)
    return WaveformStore.open(find_clips(folder), folder / "waves")


def task_of(store: WaveformStore, *settings: str) -> Task:
    return make_plan([load_system("asd26_lora_near_tiny", settings)], store.clips, {}, 0)[0]


@pytest.mark.parametrize("method", ["kmeans", "ward"])
def test_clouds_far_apart_are_the_clusters(method: str) -> None:
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 4, 80)
    points = 10 * np.eye(4, 6)[truth] + generator.standard_normal((80, 6))
    found = clusters(points, 4, method, 0)  # type: ignore[arg-type]
    assert {tuple(pair) for pair in zip(truth, found, strict=True)} == {
        (one, found[np.flatnonzero(truth == one)[0]]) for one in range(4)
    }
    firsts = [int(np.flatnonzero(found == number)[0]) for number in range(4)]
    assert firsts == sorted(firsts)


def test_ward_is_scipy_s_and_k_means_ends_where_every_point_is_nearest_to_its_own_centre() -> None:
    points = np.random.default_rng(1).standard_normal((60, 5))
    tree = hierarchy.fcluster(hierarchy.linkage(points, "ward"), 5, "maxclust")
    found = clusters(points, 5, "ward", 0)
    assert len({(int(one), int(other)) for one, other in zip(tree, found, strict=True)}) == 5
    found = clusters(points, 5, "kmeans", 0)
    centres = np.stack([points[found == number].mean(0) for number in range(5)])
    assert (np.linalg.norm(points[:, None] - centres, axis=2).argmin(1) == found).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 6), st.integers(1, 5), st.sampled_from(["kmeans", "ward"]))
def test_points_that_coincide_are_one_cluster(distinct: int, count: int, method: str) -> None:
    points = np.repeat(np.arange(distinct, dtype=float)[:, None], 3, axis=0)
    found = clusters(points, count, method, 0)  # type: ignore[arg-type]
    assert set(found) == set(range(min(count, distinct)))
    assert all(len(set(found[start : start + 3])) == 1 for start in range(0, len(found), 3))


def test_spectra_are_standardised_and_embeddings_are_directions() -> None:
    values = np.array([[1.0, 5.0, 2.0], [3.0, 5.0, 2.0]], np.float32)
    np.testing.assert_allclose(placed(values, spectra=True), [[-1, 0, 0], [1, 0, 0]])
    np.testing.assert_allclose(placed(values, spectra=False), values / np.sqrt((values**2).sum(1, keepdims=True)))
    assert not placed(np.zeros((2, 3), np.float32), spectra=False).any()


@pytest.mark.parametrize("encoder", ["log_mel", "beats"])
def test_labels_do_not_depend_on_the_order_of_clips(store: WaveformStore, encoder: str) -> None:
    sizes = {"layers": 1, "width": 32, "heads": 2, "hidden": 32, "patch_width": 16, "position_kernel": 4, "position_groups": 4}
    random_weights = {"init": "random", "sizes": sizes} if encoder == "beats" else {}
    config = PseudoConfig(encoder=encoder, clusters=3, **random_weights)  # type: ignore[arg-type]
    system = load_system("asd26_lora_near_tiny")
    clips = [clip for clip in store.clips if clip.split == "train"]
    order = list(range(len(store.clips)))
    random.Random(0).shuffle(order)
    other = store.chosen({index: store.clips[index] for index in order})
    classes, hearing = system.config.classes, system.hearing
    first = pseudo_labels(clips, config, classes, hearing, store, CPU)
    assert pseudo_labels(clips[::-1], config, classes, hearing, other, CPU) == first
    assert {clip.machine for clip in first} == {HIDDEN}
    for domain, names in (("source", {"pseudo_0", "pseudo_1", "pseudo_2"}), ("target", {"pseudo_3"})):
        assert {name for clip, name in first.items() if clip.domain == domain} == names
    planned = counted(clips, config, classes)
    assert planned.keys() == first.keys()
    assert set(planned.values()) == set(first.values())


def test_they_are_classes_beside_those_that_names_tell_and_part_of_the_task(store: WaveformStore, tmp_path: Path) -> None:
    planned = task_of(store)
    task = with_pseudo_labels(planned, tmp_path, store, CPU)
    assert task.classes == planned.classes
    hidden = [name for name in task.classes if f"/{HIDDEN}/" in name]
    assert hidden == [f"2026/{HIDDEN}/00/pseudo_{number}/{'target' if number == 3 else 'source'}" for number in range(4)]
    assert set(task_of(store, "pseudo=null").classes) - set(task.classes) == {
        f"2026/{HIDDEN}/00//source", f"2026/{HIDDEN}/00//target",
    }  # fmt: skip
    assert task.name == planned.name
    assert len({task_of(store, setting).name for setting in ("pseudo.clusters=4", "pseudo.method=ward", "pseudo.seed=1")}) == 3


def test_they_are_kept_and_made_again_where_the_file_is_damaged(store: WaveformStore, tmp_path: Path) -> None:
    task = with_pseudo_labels(task_of(store), tmp_path, store, CPU)
    path, wanted = tmp_path / FILE, [clip for part in untold(task.clips, task.system.config.classes) for clip in part]
    whole, known = path.read_bytes(), read_pseudo_labels(path)
    assert [row[1:] for row in known] == [
        (clip.machine, clip.section, clip.domain, clip.name, task.told[clip]) for clip in wanted
    ]
    edited = whole.replace(b"pseudo_3", b"pseudo_2")
    path.write_bytes(edited)  # it is read, and not made again
    assert set(with_pseudo_labels(task_of(store), tmp_path, store, CPU).told.values()) == {"pseudo_0", "pseudo_1", "pseudo_2"}
    for broken in (whole[: len(whole) // 2], b"a,b\n1,2\n", b"\xff"):
        path.write_bytes(broken)
        assert with_pseudo_labels(task_of(store), tmp_path, store, CPU).told == task.told
        assert path.read_bytes() == whole


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("beats_frozen_tiny", {}, "nothing is trained"),
        ("dual_branch_cnn_tiny", {"classes": "machine"}, "its classes are machines"),
        ("nf_cdee_tiny", {"classes": "attributes"}, "the density detector"),
    ],
)
def test_where_they_are_of_no_use_it_is_said(name: str, change: dict[str, str], message: str) -> None:
    values = {**load_system(name).resolved(), **change, "pseudo": {}}
    with pytest.raises(AsdzooError, match=message) as raised:
        system_of("mine", values, "mine.yaml")
    assert "leave out the block `pseudo:`" in raised.value.hint
