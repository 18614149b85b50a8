"""Embeddings on disk: every clip is embedded once, and detectors are run again without the network.

One safetensors file per task and machine: `embeddings` float32 (n, parts, dim), and in its metadata who row i belongs to.
Version 0.1 wrote (n, dim), which is read as one part.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from zoo.data.clips import Clip
from zoo.detectors import FloatArray
from zoo.errors import AsdzooError
from zoo.running.tensors import require_sound, write_tensors

Stamp = list[str | int]


@dataclass(frozen=True)
class Embeddings:
    """Rows of `values` (n, parts, dim), float32, belong to `clips`; `stamps` tell whether a recording has changed since."""

    clips: tuple[Clip, ...]
    stamps: tuple[Stamp, ...]
    values: FloatArray

    def rows(self, section: str, split: str) -> "Embeddings":
        """Those of one section and split."""
        return self.take([i for i, clip in enumerate(self.clips) if (clip.section, clip.split) == (section, split)])

    def take(self, indices: Sequence[int]) -> "Embeddings":
        return Embeddings(
            tuple(self.clips[i] for i in indices), tuple(self.stamps[i] for i in indices), self.values[np.asarray(indices, int)]
        )

    def write(self, path: Path) -> None:
        rows = [
            {
                "path": str(clip.path),
                "year": clip.year,
                "machine": clip.machine,
                "section": clip.section,
                "split": clip.split,
                "domain": clip.domain,
                "label": clip.label,
                "attributes": clip.attributes,
                "below": clip.below,
                "stamp": stamp,
            }
            for clip, stamp in zip(self.clips, self.stamps, strict=True)
        ]
        write_tensors(path, {"embeddings": np.ascontiguousarray(self.values)}, {"clips": json.dumps(rows)})

    @classmethod
    def read(cls, path: Path) -> "Embeddings":
        """Raises: AsdzooError when the file is damaged."""
        try:
            require_sound(path)
            with safe_open(path, "numpy") as file:
                values, rows = file.get_tensor("embeddings"), json.loads(file.metadata()["clips"])
            stamps = tuple(row.pop("stamp") for row in rows)
            clips = tuple(Clip(**{**row, "path": Path(row["path"])}) for row in rows)
            if len(values) != len(clips) or values.ndim not in (2, 3):
                raise ValueError(f"{len(clips)} clips, embeddings {values.shape}")
        except FileNotFoundError:
            raise AsdzooError(f"{path} is missing", "run `asdzoo train-all` again, which makes it anew") from None
        except (SafetensorError, KeyError, TypeError, ValueError) as problem:
            raise AsdzooError(f"{path} is damaged: {problem}", "run `asdzoo train-all` again, which makes it anew") from problem
        return cls(clips, stamps, values[:, None] if values.ndim == 2 else values)
