"""The challenge's file names, 2020 to 2026: the only place that knows their grammar.

    2020   normal_id_01_00000000.wav, anomaly_id_01_00000005.wav, id_05_00000000.wav (evaluation)
    2021+  section_00_source_train_normal_0000_ATTRIBUTES.wav, where any word may be missing:
           section_03_source_test_0000.wav (evaluation of 2021), section_00_0000.wav (evaluation since 2022),
           section_00_source_normal_0035_weight15_BckgF.wav (RoboticArm of 2024)
    2025   section_00_machine_0001_.wav, section_00_noise_supplemental_normal_0000.wav (supplemental)

What follows the index is one opaque attribute string: its keys and values cannot be told apart (`weight15_BckgF`,
`mic_pos_A`), case matters, and a dangling underscore is part of it. Index ranges, starts and uniqueness across domains and
labels differ between machines; nothing relies on them.

Folders say what plain names do not: the split (in any case), and below it label, domain and section (`test/anomaly/x.wav`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal, TypeVar, cast

Split = Literal["train", "test", "supplemental"]
Domain = Literal["source", "target"]
Label = Literal["normal", "anomaly"]

SPLIT_FOLDERS: dict[str, Split] = {
    "train": "train",
    "test": "test",
    "source_test": "test",  # 2021
    "target_test": "test",  # 2021
    "test_rename": "test",  # evaluation clips under their true names, written by the organisers' baseline
    "supplemental": "supplemental",  # 2025
}
_OTHER_WORDS = {"training": "train", "testing": "test", "supplementary": "supplemental", "supplement": "supplemental"}
_NORMAL = ("normal", "normals", "ok", "good", "healthy", "intact")
_ANOMALY = ("anomaly", "anomalies", "anomalous", "abnormal", "ng", "nok", "bad", "broken", "damaged", "defect", "defective")
_LABEL_FOLDERS: dict[str, Label] = {
    **dict.fromkeys(_NORMAL, "normal"),
    **dict.fromkeys((*_ANOMALY, "fault", "faulty"), "anomaly"),
}
_DOMAIN_FOLDERS: dict[str, Domain] = {"source": "source", "source_test": "source", "target": "target", "target_test": "target"}
_SECTION_FOLDER = re.compile(r"(?:section|id)_(\d{2})", re.ASCII)

# What libsndfile opens, and what people have that it does not.
AUDIO = (
    *(".wav", ".wave", ".bwf", ".rf64", ".w64", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".caf"),
    *(".au", ".snd", ".sph", ".nist", ".voc"),
)
UNDECODABLE = (
    *(".m4a", ".m4b", ".aac", ".wma", ".amr", ".ape", ".wv", ".dsf", ".dff", ".mp4", ".mov", ".avi", ".mkv", ".mka", ".webm"),
    *(".3gp", ".ac3", ".dts", ".mp2", ".tta", ".tak", ".shn", ".spx", ".pcm"),
)


@dataclass(frozen=True)
class ClipName:
    """What one file name says; `None` where it says nothing."""

    section: str
    index: str  # as written: leading zeros count
    split: Split
    domain: Domain | None = None
    label: Label | None = None
    attributes: str | None = None  # of a supplemental clip: "noise" or "machine"
    hidden: bool = False  # the name says `noAttribute`
    form: Literal["id", "section"] = "section"  # "id" is the form of 2020


_ID_NAME = re.compile(r"(?:(?P<label>normal|anomaly)_)?id_(?P<section>\d{2})_(?P<index>\d{8})", re.ASCII)
_SECTION_NAME = re.compile(
    r"section_(?P<section>\d{2})(?:_(?P<domain>source|target))?(?:_(?P<split>train|test))?(?:_(?P<label>normal|anomaly))?"
    r"_(?P<index>\d+)(?:_(?P<attributes>.*))?",
    re.ASCII,
)
_SUPPLEMENTAL_NAME = re.compile(r"section_(?P<section>\d{2})_(?P<words>(?:[A-Za-z]+_)+)(?P<index>\d+)(?:_.*)?", re.ASCII)
_HIDDEN = "noAttribute"


def parse_name(name: str, folder: str = "") -> ClipName | None:
    """What a file name says, or `None` when it is no name of the challenge.

    `folder` is the name of the folder that the file lies in; it decides the split, and the domain of a name without one in
    `source_test` or `target_test`. Elsewhere the name decides, and a name that says no split is a test clip's.

    >>> parse_name("section_00_target_test_anomaly_0012_vel_12.wav", "test").attributes
    'vel_12'
    """
    stem = bare_name(name)
    split = SPLIT_FOLDERS.get(folder)
    if match := _ID_NAME.fullmatch(stem):
        label = cast("Label | None", match["label"])
        return ClipName(match["section"], match["index"], split or "test", label=label, form="id")
    if split != "supplemental" and (match := _SECTION_NAME.fullmatch(stem)):
        domain = match["domain"] or {"source_test": "source", "target_test": "target"}.get(folder)
        hidden = match["attributes"] == _HIDDEN
        return ClipName(
            section=match["section"],
            index=match["index"],
            split=split or cast("Split | None", match["split"]) or "test",
            domain=cast("Domain | None", domain),
            label=cast("Label | None", match["label"]),
            attributes=None if hidden else match["attributes"] or None,
            hidden=hidden,
        )
    if match := _SUPPLEMENTAL_NAME.fullmatch(stem):
        words = match["words"].split("_")
        if split != "supplemental" and "supplemental" not in words:
            return None
        return ClipName(
            section=match["section"],
            index=match["index"],
            split="supplemental",
            domain=_word(words, ("source", "target")),
            label=_word(words, ("normal", "anomaly")),
            attributes=_word(words, ("noise", "machine")),
        )
    return None


def bare_name(name: str) -> str:
    """File name without folders and without `.wav` or another ending of a recording.

    A stem in pathlib's sense would cut `volt_1.5_wt_50` at the dot.

    >>> bare_name("gearbox/train/section_00_source_train_normal_0000_volt_1.5_wt_50")
    'section_00_source_train_normal_0000_volt_1.5_wt_50'
    """
    plain = "/" not in name and "\\" not in name and name != "."  # most are, and a path takes its time
    last = name if plain else PurePosixPath(name.replace("\\", "/")).name
    stem, dot, ending = last.rpartition(".")
    return stem if stem and (dot + ending).lower() in AUDIO else last


def split_folder(name: str) -> str | None:
    """The folder of `SPLIT_FOLDERS` that a folder's name means, in any case, or `None`.

    >>> split_folder("Train"), split_folder("supplementary"), split_folder("2024-01-02")
    ('train', 'supplemental', None)
    """
    word = name.casefold()
    word = _OTHER_WORDS.get(word, word)
    return word if word in SPLIT_FOLDERS else None


def label_of_folder(name: str) -> Label | None:
    """The label that a folder's name means, or `None`.

    >>> label_of_folder("NG"), label_of_folder("good"), label_of_folder("2024-01-02")
    ('anomaly', 'normal', None)
    """
    return _LABEL_FOLDERS.get(name.casefold())


def domain_of_folder(name: str) -> Domain | None:
    """The domain that a folder's name means, or `None`."""
    return _DOMAIN_FOLDERS.get(name.casefold())


def section_of_folder(name: str) -> str | None:
    """The section that a folder's name means (`section_01`, `id_02`), or `None`."""
    match = _SECTION_FOLDER.fullmatch(name.casefold())
    return match[1] if match else None


_COPY = re.compile(
    r"(?:(?:Copy|Kopie|Copie|Copia) (?:of|von|de|di) (?P<after>.+))"
    r"|(?P<before>.+?)(?: \(\d{1,3}\)|(?: -|_|-)? ?(?:copy|kopie|copie|copia|kopia|kopi)(?: ?\(\d{1,3}\)| \d{1,3})?"
    r"| \((?:another |\d+(?:st|nd|rd|th) )?copy\))",
    re.IGNORECASE | re.ASCII,
)


def copied_name(stem: str) -> str | None:
    """The stem of which a file manager's name says that it is a copy, or `None`.

    >>> copied_name("0001 (1)"), copied_name("0001 - Copy (2)"), copied_name("Copy of 0001"), copied_name("0001")
    ('0001', '0001', '0001', None)
    """
    if not stem.endswith(")") and "op" not in stem.lower():  # which all those words have; a match takes its time
        return None
    match = _COPY.fullmatch(stem)
    return (match["after"] or match["before"]) if match else None


_Word = TypeVar("_Word", bound=str)


def _word(words: Sequence[str], wanted: Sequence[_Word]) -> _Word | None:
    return next((known for known in wanted if known in words), None)
