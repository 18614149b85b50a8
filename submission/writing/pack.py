"""The zip: the same files give the same bytes, on every machine and at every hour."""

import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold
_UNIX = 3


def pack(files: Mapping[str, bytes], path: Path) -> None:
    """Write `files` (path inside the zip -> content) as a zip to `path`.

    Entries are sorted, dated 1980 and readable by all. They are stored, not deflated: compressed bytes differ between builds
    of zlib, and four systems of nine machines are less than a megabyte.
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = _UNIX
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(entry, files[name])
