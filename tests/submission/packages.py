"""A good package of 2024 in memory, and ways to break it."""

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

Files = dict[str, bytes]
Break = Callable[[Files], None]

SYSTEM = "task2/Jiang_THUEE_task2_1"
SCORES = f"{SYSTEM}/anomaly_score_Scanner_section_00_test.csv"
DECISIONS = f"{SYSTEM}/decision_result_Scanner_section_00_test.csv"
META = f"{SYSTEM}/Jiang_THUEE_task2_1.meta.yaml"
REPORT = "task2/Jiang_THUEE_task2.technical_report.pdf"


def write_zip(files: Mapping[str, bytes], path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def replaced(path: str, old: str, new: str) -> Break:
    """Put `new` for the first `old` in a file."""

    def act(files: Files) -> None:
        text = files[path].decode()
        assert old in text, f"{old!r} is not in {path}"
        files[path] = text.replace(old, new, 1).encode()

    return act


def rows(path: str, change: Callable[[list[str]], list[str]]) -> Break:
    """Change the lines of a file."""

    def act(files: Files) -> None:
        files[path] = ("\n".join(change(files[path].decode().splitlines())) + "\n").encode()

    return act


def line(path: str, number: int, text: str) -> Break:
    """Put `text` in place of a line (1-based); `{clip}` and `{value}` stand for what is there."""

    def change(lines: list[str]) -> list[str]:
        clip, value = lines[number - 1].split(",")
        lines[number - 1] = text.format(clip=clip, value=value)
        return lines

    return rows(path, change)


def every_line(path: str, text: str) -> Break:
    return rows(path, lambda lines: [text.format(clip=one.split(",")[0], value=one.split(",")[1]) for one in lines])


def content(path: str, data: bytes) -> Break:
    return lambda files: files.__setitem__(path, data)


def without(*paths: str) -> Break:
    def act(files: Files) -> None:
        for path in paths:
            del files[path]

    return act


def moved(old: str, new: str) -> Break:
    """Rename every path that starts with `old`."""

    def act(files: Files) -> None:
        found = [path for path in files if path.startswith(old)]
        assert found
        for path in found:
            files[new + path.removeprefix(old)] = files.pop(path)

    return act


def copied(old: str, new: str) -> Break:
    def act(files: Files) -> None:
        for path in [path for path in files if path.startswith(old)]:
            files[new + path.removeprefix(old)] = files[path]

    return act


def system_copied(label: str) -> Break:
    """A second, well-formed system under another label."""

    def act(files: Files) -> None:
        for path in [path for path in files if path.startswith(f"{SYSTEM}/")]:
            new = path.replace("Jiang_THUEE_task2_1", label)
            changed = files[path].replace(b"Jiang_THUEE_task2_1", label.encode())
            files[new] = changed.replace(b"NF+LoRA", b"NF+" + label[-1:].encode())
            if "anomaly_score" in new:
                files[new] = b"".join(one + f"{ord(label[-1])}\n".encode() for one in files[path].splitlines())

    return act


def renamed(label: str) -> Break:
    """The whole system under another label."""

    def act(files: Files) -> None:
        system_copied(label)(files)
        for path in [path for path in files if path.startswith(f"{SYSTEM}/")]:
            del files[path]

    return act


def together(*breaks: Break) -> Break:
    def act(files: Files) -> None:
        for one in breaks:
            one(files)

    return act


def recoded(path: str, change: Callable[[bytes], bytes]) -> Break:
    """Change the bytes of a file."""

    def act(files: Files) -> None:
        files[path] = change(files[path])

    return act
