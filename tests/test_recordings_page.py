"""docs/recordings.md is true: its tree is read as it says, its labels.csv is one, and its words mean what it says."""

import re
from pathlib import Path

from tests.zoo.trees import write_wav
from zoo.data.clips import find_clips
from zoo.data.names import label_of_folder, split_folder
from zoo.data.training_clips import SHORT

PAGE = (Path(__file__).parents[1] / "docs" / "recordings.md").read_text()
TREE, LABELS = re.findall(r"```\n(.*?)```", PAGE, re.DOTALL)


def _paths() -> list[str]:
    """The files of the tree, by its indents."""
    above: list[str] = []
    files = []
    for line in TREE.splitlines():
        name = line.split()[0]
        above = above[: (len(line) - len(line.lstrip())) // 2]
        if name.endswith("/"):
            above.append(name.rstrip("/"))
        else:
            files.append("/".join([*above, name]))
    return files


def test_the_tree_and_its_labels(tmp_path: Path) -> None:
    for name in _paths():
        if name.endswith(".wav"):
            write_wav(tmp_path / name, seconds=0.05 + 0.01 * len(name))
    (tmp_path / "data" / "MyPump" / "labels.csv").write_text(LABELS.replace("test/0001", "test/normal/0001"))
    clips = find_clips(tmp_path / "data", "own")
    assert clips.problems == []
    assert {(clip.machine, clip.split, clip.name, clip.label) for clip in clips} == {
        ("MyPump", "train", "2024-01-02/0001.wav", None),
        ("MyPump", "test", "normal/0001.wav", "normal"),
        ("MyPump", "test", "anomaly/0001.wav", "anomaly"),
        ("MyPump", "test", "0002.wav", "anomaly"),
        ("fan", "train", "section_00_source_train_normal_0000_n_A.wav", "normal"),
    }
    assert {clip.year for clip in find_clips(tmp_path / "data", "2024")} == {"2024"}


def test_its_words_mean_what_it_says() -> None:
    splits = PAGE.partition("Split folders are")[2].partition("\n- ")[0]
    assert all(split_folder(word) for word in re.findall(r"`(\w+)`", splits))
    labels = PAGE.partition("folders may say the label (")[2].partition("...")[0]
    assert all(label_of_folder(word) for word in re.findall(r"`(\w+)`", labels))
    assert SHORT < 0.5  # "much shorter than the machine's others"
