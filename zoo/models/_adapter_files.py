"""Adapter files: the blocks that `asdzoo adapt` trained, and which encoder with which weights they are for.

A safetensors file whose metadata say encoder, layers, width, SHA-256 of the encoder's weights (blocks fit no other ones), and
which recordings the blocks were trained on.
"""

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from zoo.encoders._base import Encoder
from zoo.errors import AsdzooError, typed
from zoo.files import whole_file
from zoo.layers.reference_attention import ReferenceAttention


def checksum(encoder: Encoder) -> str:
    """SHA-256 of an encoder's weights, those of adapters (LoRA) left out."""
    digest = hashlib.sha256()
    own = {name.replace(".base_layer", ""): value for name, value in encoder.state_dict().items() if ".lora_" not in name}
    for name, value in sorted(own.items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def write_adapter(path: Path, adapter: ReferenceAttention, name: str, encoder: Encoder, recordings: str = "") -> None:
    """Write the blocks that were trained for an encoder on these `recordings`, whole or not at all."""
    told = {
        "encoder": name,
        "layers": str(len(adapter.blocks)),
        "width": str(adapter.width),
        "weights": checksum(encoder),
        "recordings": recordings,
    }
    state = {key: value.detach().cpu().contiguous() for key, value in adapter.state_dict().items()}
    with whole_file(path) as aside:
        save_file(state, aside, metadata=told)


def read_adapter(path: str, name: str, encoder: Encoder) -> ReferenceAttention:
    """The blocks of a file. Raises: AsdzooError when it is missing, damaged, or of another encoder or other weights."""
    cure = f"`asdzoo adapt SYSTEM --out {typed(path)}` trains one, for a system with the encoder {name}"
    if not Path(path).is_file():
        raise AsdzooError(f"there is no adapter {path}", cure)
    try:
        with safe_open(path, "pt") as file:
            told = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as problem:
        raise AsdzooError(f"{path} is damaged: {problem}", cure) from problem
    if "weights" not in told:
        raise AsdzooError(f"{path} is no adapter of asdzoo", cure)
    if told.get("encoder") != name:
        raise AsdzooError(f"{path} is an adapter of {told.get('encoder')}, not of {name}", cure)
    if told["weights"] != checksum(encoder):
        raise AsdzooError(f"{path} was trained on other weights of {name}", "name those in model.weights")
    adapter = ReferenceAttention(int(told["layers"]), int(told["width"]))
    adapter.load_state_dict(state)
    return adapter
