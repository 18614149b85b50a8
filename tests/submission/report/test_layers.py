"""The weights of layers on the page are those of the trained network."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from submission.report.facts import gather
from submission.report.page import write_report
from submission.report.sections import layers
from tests.fusion.runs import make_run, make_table
from zoo.errors import AsdzooError


def test_the_newest_weights_are_drawn_and_damage_is_said(tmp_path: Path) -> None:
    run = make_run(tmp_path, {"alpha": make_table("alpha"), "beta": make_table("beta")})
    logits = np.array([0.0, 1.0, -2.0, 0.5], np.float32)
    for number, values in enumerate((np.zeros(4, np.float32), logits)):
        path = run.system_folder("alpha") / f"all-{number}" / "model.safetensors"
        path.parent.mkdir(parents=True)
        save_file({"beats.layer_sum.logits": values, "head.weight": np.ones((2, 2), np.float32)}, path)
        os.utime(path, (number, number))
    (found,) = gather(run).layer_weights
    assert (found.system, found.group, found.encoder) == ("alpha", "all", "beats")
    np.testing.assert_allclose(found.weights, np.exp(logits) / np.exp(logits).sum(), rtol=1e-6)
    page = write_report(gather(run), tmp_path / "report.html").path.read_text()
    said = re.findall(r"layer (\d+): (\d\.\d{4})", page)
    assert [int(layer) for layer, _ in said] == [0, 1, 2, 3]
    np.testing.assert_allclose([float(weight) for _, weight in said], found.weights, atol=6e-5)
    path.write_bytes(b"{")
    with pytest.raises(AsdzooError, match=r"model.safetensors is damaged"):
        gather(run)


def test_there_is_no_section_without_learned_weights(tmp_path: Path) -> None:
    run = make_run(tmp_path, {"alpha": make_table("alpha")})
    path = run.system_folder("alpha") / "all-0" / "model.safetensors"
    path.parent.mkdir(parents=True)
    save_file({"head.weight": np.ones((2, 2), np.float32)}, path)
    assert layers.section(gather(run).layer_weights) is None
