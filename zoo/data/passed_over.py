"""What lies below a folder of recordings and is not taken, in one line a kind, with the cure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

from zoo.data.annotations import LABELS
from zoo.data.folders import Folder, MachineFolder
from zoo.data.names import AUDIO, SPLIT_FOLDERS, UNDECODABLE, label_of_folder, split_folder
from zoo.data.problems import Problem, shown
from zoo.data.unpacking import packed_problems
from zoo.data.years import YEARS, years_of
from zoo.errors import AsdzooError, listed, typed

PACKED = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")
_LAYOUT_HINT = "recordings lie in MACHINE/train/*.wav and MACHINE/test/*.wav, at any depth below the folder you name"


def passed_over(folders: Sequence[Folder], strays: Sequence[Folder], machines: Sequence[MachineFolder]) -> list[Problem]:
    """All of it. `folders` are all folders of the tree, `strays` those with recordings outside of every machine."""
    return [*_stray_problems(strays, folders), *_name_problems(machines), *_other_problems(folders, machines)]


def near_miss(name: str) -> str | None:
    """The split folder whose misspelling a folder's name is, or `None`."""
    word = name.casefold()
    if split_folder(word):
        return None
    if word in ("val", "valid", "validation", "eval", "evaluation", "query"):
        return "test"
    return next(iter(get_close_matches(word, list(SPLIT_FOLDERS), n=1, cutoff=0.7)), None)


def _cure(folder: Folder) -> str:
    """What to type so that the recordings of a stray folder are found."""
    for depth in range(len(folder.within), 0, -1):
        path = folder.path.parents[len(folder.within) - depth - 1] if depth < len(folder.within) else folder.path
        if meant := near_miss(path.name):
            return f"mv {typed(shown(path))} {typed(shown(path.parent / meant))}"
        if label := label_of_folder(path.name):
            into = shown(path.parent / ("train" if label == "normal" else "test"))
            return f"mkdir {typed(into)}; mv {typed(shown(path))} {typed(into)}"
    return f"move them to {shown(folder.path / 'train')} or {shown(folder.path / 'test')}"


def nothing_there(root: Path, folders: Sequence[Folder], strays: Sequence[Folder]) -> AsdzooError:
    if strays:
        places = listed([f"{len(folder.recordings)} in {shown(folder.path)}" for folder in strays])
        count = sum(len(folder.recordings) for folder in strays)
        message = f"{root} holds {count} recording(s), but none in a train or test folder: {places}"
        return AsdzooError(message, f"{_cure(strays[0])}; {_LAYOUT_HINT}")
    packed = [(folder, name) for folder in folders for name in folder.others if name.lower().endswith(PACKED)]
    if packed:
        folder, name = packed[0]
        how = (
            f"unzip {typed(shown(folder.path / name))} -d {typed(shown(folder.path))}"
            if name.lower().endswith(".zip")
            else "with your archiver"
        )
        return AsdzooError(
            f"{root} holds no recordings", f"it holds {len(packed)} zip file(s) or archives: unpack them first, {how}"
        )
    strange = [folder.path / name for folder in folders for name in folder.others if name.lower().endswith(UNDECODABLE)]
    if strange:
        message = f"{root} holds no recordings that can be decoded; there are {len(strange)} others, first {shown(strange[0])}"
        return AsdzooError(message, f"convert them: ffmpeg -i {shown(strange[0])} {shown(strange[0].with_suffix('.wav'))}")
    return AsdzooError(f"{root} holds no recordings", _LAYOUT_HINT)


def _stray_problems(strays: Sequence[Folder], folders: Sequence[Folder]) -> Iterator[Problem]:
    """Recordings outside of every train and test folder."""
    if strays:
        count = sum(len(folder.recordings) for folder in strays)
        places = listed([f"{len(folder.recordings)} in {shown(folder.path)}" for folder in strays])
        sentence = (
            f"{count} recording(s) lie in no train or test folder and are left out, {places}; the cure: {_cure(strays[0])}"
        )
        yield Problem("warning", folders[0].path, sentence)


def _name_problems(machines: Sequence[MachineFolder]) -> Iterator[Problem]:
    """Machine folders whose name is hardly a machine's: a level of folders is missing, or stands the wrong way round."""
    for machine in machines:
        inside = {
            folder: Counter(found.below[0] for found in machine.recordings if found.folder == folder and found.below)
            for folder in machine.folders
        }
        both = set(inside.get("train", ())) & set(inside.get("test", ()))
        if swapped := sorted(name for name in both if not label_of_folder(name) and (not name[:1].isdigit() or years_of(name))):
            example = f"{swapped[0]}/train and {swapped[0]}/test"
            sentence = (
                f"train and test both hold the folder(s) {listed(swapped)}, taken as parts of one machine {machine.machine}"
            )
            yield Problem("warning", machine.path, f"{sentence}; if they are machines, move their recordings to {example}")
        elif machine.names and (known := _spelt_otherwise(machine.machine)):
            cure = f"mv {typed(shown(machine.path))} {typed(shown(machine.path.with_name(known)))}"
            yield Problem(
                "warning",
                machine.path,
                f"is no machine of the challenge; if it is {known}: {cure}",
            )
        elif _no_machine(machine.machine) and machine.names:
            sentence = f"is taken as a machine called {machine.machine}; if it is none, a folder MACHINE is missing"
            yield Problem("warning", machine.path, sentence)


def _spelt_otherwise(name: str) -> str | None:
    """The machine of the challenge that this name is but for case, blanks, hyphens and underscores; `None` when it is none."""
    if years_of(name):
        return None
    plain = {_plain(machine): machine for year in YEARS.values() for machine in year.machines}
    return plain.get(_plain(name))


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _no_machine(name: str) -> bool:
    word = name.casefold()
    return word in ("raw", "data", "dev_data", "eval_data", "dataset", "audio", "recordings") or word.startswith("dcase")


def _other_problems(folders: Sequence[Folder], machines: Sequence[MachineFolder]) -> Iterator[Problem]:
    """What is no recording that can be taken, in one line a kind."""
    hidden = [folder.path / name for folder in folders if folder.hidden for name in folder.recordings]
    hidden += [
        folder.path / name
        for folder in folders
        for name in folder.others
        if name.lower().removesuffix("~").endswith(AUDIO)  # `._x.wav`, `.~x.wav`, `x.wav~`
    ]
    if hidden:
        yield Problem("warning", hidden[0], f"{_count(hidden)} hidden or left behind by another program, and left out")
    strange = [folder.path / name for folder in folders for name in folder.others if name.lower().endswith(UNDECODABLE)]
    if strange:
        sentence = (
            f"{_count(strange)} in a format that cannot be decoded, and left out; the cure: ffmpeg -i {shown(strange[0])} "
        )
        yield Problem("error", strange[0], sentence + shown(strange[0].with_suffix(".wav")))
    empty = [folder.path for folder in folders if folder.empty and folder.path.name.lower().endswith(AUDIO)]
    if empty:
        yield Problem("warning", empty[0], f"{_count(empty)} called like a recording and an empty folder")
    read = {machine.path for machine in machines}
    labels = [folder.path / name for folder in folders for name in folder.others if name.casefold() == LABELS]
    for path in labels:
        if path.parent not in read:
            places = shown(machines[0].path / LABELS)
            yield Problem(
                "warning", path, f"is not read there: a {LABELS} stands in its machine's folder, for example {places}"
            )
    packed = [folder.path / name for folder in folders for name in folder.others if name.lower().endswith(PACKED)]
    if packed:
        have = {(machine.machine, found.path.name) for machine in machines for found in machine.recordings}
        yield from packed_problems(packed, have)


def _count(paths: Sequence[Path]) -> str:
    return "is" if len(paths) == 1 else f"and {len(paths) - 1} more are"
