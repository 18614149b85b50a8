"""Weights and checkpoints of a task: written whole, read with distrust.

What a train-all can make again is made again, and said: damaged weights, checkpoints and embeddings are deleted by `mend`.
"""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from zoo.errors import AsdzooError
from zoo.files import write_bytes
from zoo.networks import Embedder
from zoo.running.embeddings import Embeddings
from zoo.running.tensors import require_sound, write_tensors

if TYPE_CHECKING:
    from zoo.running.task_folder import TaskFolder

_TASK = "task"  # key of the folder's name in a checkpoint


def save_weights(network: Embedder, path: Path) -> None:
    """Write what training gave the network; nothing when that is nothing."""
    if state := network.trained_state():
        write_tensors(path, {name: value.detach().cpu().contiguous() for name, value in state.items()})


def load_weights(network: Embedder, path: Path) -> None:
    """Raises: AsdzooError when the file is damaged, or of another network."""
    cure = "run `asdzoo train-all` again, which trains it anew"
    try:
        require_sound(path)
        state = load_file(path)
    except (SafetensorError, ValueError) as problem:
        raise AsdzooError(f"{path} is damaged: {problem}", cure) from problem
    try:
        network.load_trained_state(state)
    except (RuntimeError, KeyError, ValueError, TypeError, AttributeError) as problem:
        raise AsdzooError(f"{path} holds the weights of another network", f"delete it, and {cure}") from problem


def save_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Write the state of a training, with the name of the task that it is of."""
    buffer = io.BytesIO()  # Python writes it: what torch raises when a disk is full does not say so
    torch.save({**state, _TASK: path.parent.name}, buffer)
    write_bytes(path, buffer.getbuffer())


def read_checkpoint(path: Path) -> dict[str, Any] | None:
    """The state of an interrupted training; None where there is none.

    Raises: AsdzooError when the file is damaged, or the state of another task.
    """
    if not path.exists():
        return None
    try:
        with zipfile.ZipFile(path) as members:
            if (broken := members.testzip()) is not None:
                raise ValueError(f"the checksum of {broken} in it is another one")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as problem:  # torch raises what it meets: RuntimeError, EOFError, UnpicklingError, ...
        what = "it is empty" if not path.stat().st_size else str(problem).split("\n")[0]
        raise AsdzooError(f"{path} is damaged: {what}", f"delete {path}") from problem
    if not isinstance(state, dict) or state.pop(_TASK, path.parent.name) != path.parent.name:
        raise AsdzooError(f"{path} is of another training", f"delete {path}")
    return state


def mend(folder: "TaskFolder", note: Callable[[str], None]) -> None:
    """Delete what is damaged in a task's folder and will be made again; `note` hears of each file.

    The caller holds the folder's lock.
    """
    try:
        if folder.weights.exists():
            require_sound(folder.weights)
    except ValueError as problem:
        _delete(folder.weights, f"{folder.weights} is damaged: {problem}; it is trained again", note)
    try:
        read_checkpoint(folder.checkpoint)
    except AsdzooError as problem:
        _delete(folder.checkpoint, f"{problem.message}; the training begins again", note)
    for path in sorted((folder.path / "embeddings").glob("[!.]*.safetensors")):
        try:
            Embeddings.read(path)
        except AsdzooError as problem:
            _delete(path, f"{problem.message}; the recordings are embedded again", note)


def _delete(path: Path, sentence: str, note: Callable[[str], None]) -> None:
    path.unlink(missing_ok=True)
    note(sentence)
