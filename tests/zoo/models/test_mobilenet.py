"""The MobileNet baseline: its size is Keras's, its embeddings are log odds, its score those of the own machine."""

from pathlib import Path

import numpy as np
import pytest
import torch

from submission.cli import main
from tests.zoo.trees import write_tree
from zoo.data.clips import Clip
from zoo.detectors import class_odds
from zoo.errors import AsdzooError
from zoo.models.mobilenet import Config, MobileNet, build, log_odds
from zoo.networks import InputShape
from zoo.systems import load_system, system_of

SHAPE = InputShape(16000, None)
SMALL = Config(mels=16, frames=8, stride=3, width=0.25, features=16, momentum=0.1)


def network(classes: int = 3) -> MobileNet:
    torch.manual_seed(0)
    return build(SMALL, SHAPE, classes)


def test_it_has_as_many_numbers_as_that_of_keras() -> None:
    net = load_system("mobilenet").build_network(["a", "b"], seed=0)
    assert load_system("mobilenet").network_config == Config()
    body = [value for name, value in net.state_dict().items() if name.startswith("layers") and value.ndim > 0]
    assert sum(value.numel() for value in body) == 706_224  # keras.applications.MobileNetV2(alpha=0.5, include_top=False)
    assert sum(value.numel() for value in net.head.parameters()) == 2 * 1280 + 2


@pytest.mark.parametrize("spread", [1.0, 300.0])
def test_log_odds_against_their_formula(spread: float) -> None:
    logits = torch.randn(5, 4, generator=torch.Generator().manual_seed(0)) * spread
    found = log_odds(logits)
    assert found.isfinite().all()
    if spread == 1.0:
        p = torch.softmax(logits.double(), 1)
        torch.testing.assert_close(found.double(), ((1 - p) / p).log(), rtol=1e-5, atol=1e-5)


def test_an_embedding_is_the_mean_over_images() -> None:
    net = network().eval()
    waves = torch.randn(1, 16000) * 0.1
    frames = net.front_end(waves)[0]
    starts = range(0, len(frames) - 7, 3)
    images = torch.stack([frames[start : start + 8] for start in starts])
    logits = net.head(net.layers(images[:, None].expand(-1, 3, -1, -1)).mean((2, 3)))
    torch.testing.assert_close(net(waves)[0], log_odds(logits).mean(0), rtol=1e-4, atol=1e-5)


def test_one_class_is_refused() -> None:
    with pytest.raises(AsdzooError, match="there is one") as caught:
        build(SMALL, SHAPE, 1)
    assert "--systems autoencoder" in caught.value.hint


def test_one_machine_alone_is_one_line_and_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_tree(tmp_path / "data", "own", machines=["MyPump"])
    where = ["--data", str(data), "--run", str(tmp_path / "run"), "--device", "cpu"]
    command = ["train-all", *where, "--systems", "mobilenet_tiny", "--set", "classes=machine"]
    assert main(command) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "error: mobilenet tells classes from one another, and there is one" in said
    assert "hint: train it on more machines" in said


def test_the_score_is_that_of_the_likeliest_class_of_the_machine() -> None:
    clips = [
        Clip(Path(f"{row}.wav"), "2024", "fan", "00", "train", "source", attributes=word) for row, word in enumerate("aab")
    ]
    system = load_system("mobilenet_tiny")
    classes = sorted({system.class_of(clip) for clip in clips} | {"2024/pump/00/"})
    odds = np.array([[3.0, 1.0, -9.0], [0.5, 2.0, -9.0]])
    detector = system.build_detector(None, classes).fit(np.zeros((3, 3)), clips)
    np.testing.assert_array_equal(detector.score(odds), [1.0, 0.5])
    alone = class_odds.build(class_odds.Config(), lambda clip: 1).fit(np.zeros((3, 3)), clips)
    np.testing.assert_array_equal(alone.score(odds), [1.0, 2.0])


def test_another_network_has_no_odds() -> None:
    values = load_system("log_mel_knn").config.model_dump(exclude_none=True)
    with pytest.raises(AsdzooError, match="the class_odds detector needs a network with the odds of classes"):
        system_of("mine", {**values, "detector": {"name": "class_odds"}}, "mine.yaml")
