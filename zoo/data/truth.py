"""The labels of the evaluation clips: the organisers' evaluator, fetched onto the user's disk and never passed on.

Its licence (2023 and later) allows internal, non-commercial use. It is kept out of the data folder, so that no training can
come across it, and out of anything that asdzoo ships or packs.
"""

import re
from pathlib import Path

from zoo.data.archives import unpack_top
from zoo.data.datasets import DataSet
from zoo.data.fetch import Watcher
from zoo.data.manifest import one_at_a_time
from zoo.data.transfer import Client
from zoo.errors import AsdzooError
from zoo.files import whole_folder

GITHUB = "https://github.com"
_DATA_FOLDER = re.compile(r"dcase20\d\dt2|mimii_due|dev_data|eval_data")


def fetch_truth(
    dataset: DataSet,
    to: Path,
    client: Client,
    base_url: str = GITHUB,
    data: Path = Path("data"),
    watcher: Watcher | None = None,
) -> Path:
    """Have the evaluator of a year below `to`; returns its folder, which is what `--truth` of `asdzoo evaluate` wants.

    Raises: AsdzooError when the data set has none, or when `to` lies within the folder of recordings (`data`, or one of their
    layout); TransferError; ArchiveError.
    """
    watcher = watcher or Watcher()
    truth = dataset.truth
    if truth is None:
        raise AsdzooError(f"{dataset.title} has no evaluator: its names say what is an anomaly", "leave out --part truth")
    _refuse_data_folder(to, data)
    folder = to / truth.repository.rpartition("/")[2]
    watcher.say(f"{dataset.title}, ground truth, github.com/{truth.repository} at {truth.revision}")
    watcher.say(f"Licence: {truth.licence or 'the one that lies in it'}. It stays on this disk: do not pass it on")
    if folder.is_dir():
        watcher.say(f"it is here already: {folder}")
        return folder
    with one_at_a_time(to):
        path = to / f"{folder.name}.zip"
        part = path.with_name(f"{path.name}.part")
        part.unlink(missing_ok=True)  # packed anew for each request: the rest of an old one would not fit
        url = f"{base_url.rstrip('/')}/{truth.repository}/archive/{truth.revision}.zip"
        client.download(url, part, None, lambda done, total: watcher.progress(f"fetching {folder.name}", done, total))
        with whole_folder(folder) as aside:
            count = unpack_top(part, aside)
        part.unlink()
    watcher.say(f"{count} files in {folder}")
    return folder


def _refuse_data_folder(to: Path, data: Path) -> None:
    whole = to.resolve()
    if data.resolve() in (whole, *whole.parents) or any(_DATA_FOLDER.fullmatch(part) for part in whole.parts):
        raise AsdzooError(f"{to} lies within a folder of recordings", "the truth is kept out of it: --to truth")
    if whole.is_dir() and any(_DATA_FOLDER.fullmatch(entry.name) for entry in whole.iterdir()):
        raise AsdzooError(f"{to} is a folder of recordings", "the truth is kept out of it: --to truth")
