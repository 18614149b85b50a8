"""How much each layer of an encoder counts, as trained networks hold it (zoo/layers/layer_sum.py)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fusion.metrics import Floats
from submission.report.recordings import newest
from submission.report.trainings import task_of
from zoo.errors import AsdzooError
from zoo.running.folder import Run

_LOGITS = "layer_sum.logits"


class LayerWeights(NamedTuple):
    """The learned weights of one encoder of a task."""

    system: str
    group: str
    encoder: str  # its place in the network, empty where there is one
    weights: Floats  # of the input of the first layer and the output of each; they add up to 1


def read_layer_weights(run: Run, systems: Sequence[str]) -> list[LayerWeights]:
    """Of the newest training of each group of these systems. Raises: AsdzooError for a damaged file."""
    from safetensors import SafetensorError, safe_open

    found = []
    for (system, group), path in newest((run.folder / "systems").glob("*/*/model.safetensors"), by=task_of).items():
        if system not in systems:
            continue
        try:
            with safe_open(path, "numpy") as file:
                logits = {name: file.get_tensor(name) for name in file.keys() if name.endswith(_LOGITS)}  # noqa: SIM118
        except (SafetensorError, OSError) as problem:
            raise AsdzooError(f"{path} is damaged: {problem}", "run `asdzoo train-all` again") from problem
        for name, values in sorted(logits.items()):
            shares = np.exp(values.astype(np.float64) - values.max())
            found.append(LayerWeights(system, group, name.removesuffix(_LOGITS).rstrip("."), shares / shares.sum()))
    return found
