"""Faults of a `LABEL.meta.yaml`."""

import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

from submission.checking.faults import Fault, error, warning
from submission.checking.layout import SystemFiles
from submission.checking.metadata import (
    LABEL_FORM,
    ONE,
    SEVERAL,
    Affiliation,
    Author,
    Complexity,
    External,
    Meta,
    Results,
    Submission,
    System,
)
from submission.checking.package import Package
from submission.checking.rules import DESCRIPTION, MAX_ABBREVIATION, PAUC_FLOOR, Rules
from zoo.yaml_reading import Key, YamlError, read_yaml

_LARGEST = 128 * 1024  # bytes; real ones have 3 KiB
_MOST_VALUES = 5000  # keys and values; real ones have 150
_HINTS = {  # by the last name in the key path
    "label": f"the folder, the file and the label are all {LABEL_FORM}",
    "abbreviation": f"shorten it to {MAX_ABBREVIATION} characters",
    "total_parameters": "the sum over all subsystems is a plain number, like 90300000: no commas, quotes or units",
    "MACS": "a plain number, like 45010000000: no commas, quotes or units; or !!null",
    "authors": "one list item `- lastname: ...` for each author, all in the same column; one has `corresponding: true`",
    "email": "a plain address, like a@b.org",
    "corresponding": "true or false",
    "submission": "exactly one author has `corresponding: true`",
}


def check_meta(package: Package, system: SystemFiles, rules: Rules) -> tuple[list[Fault], Any]:
    """Faults of the system's metadata, and its content (None when it cannot be read)."""
    folder = system.folder
    if not system.metas:
        where = f"{folder}/{system.label}.meta.yaml"
        return [error("meta-missing", "no metadata", f"add {where}; `asdzoo submit` writes it", folder)], None
    faults = []
    if len(system.metas) > 1:
        faults.append(error("meta-several", f"{len(system.metas)} metadata files", "keep one", system.metas[1]))
    path = system.metas[0]
    name = path.rpartition("/")[2]
    if folder and name != f"{system.label}.meta.yaml":
        reason = "ends in .yml" if name.lower().endswith(".yml") else "is not named like its folder"
        faults.append(error("meta-name", f"the metadata {reason}", f"name it {system.label}.meta.yaml", path))
    if package.sizes[path] > _LARGEST:
        return [*faults, error("meta-size", f"{package.sizes[path]:,} bytes of metadata", "real ones have 3 KiB", path)], None
    try:
        text = package.read(path, _LARGEST + 1).decode("utf-8-sig")
    except OSError as problem:
        return [*faults, error("damaged", f"cannot be read: {problem}", "zip it again", path)], None
    except UnicodeDecodeError:
        return [*faults, error("meta-encoding", "not UTF-8", "save it as UTF-8", path)], None
    try:
        document = read_yaml(text, _MOST_VALUES)
    except YamlError as problem:
        return [*faults, _of_yaml(problem, path)], None
    content, lines = document.value, document.lines
    found = [_of_yaml(problem, path) for problem in document.repeated]
    if content is None:
        found.append(error("yaml-empty", "empty", "`asdzoo submit` writes metadata"))
    elif not isinstance(content, dict):
        found.append(error("meta-schema", "no mapping of keys to values", "it starts with `submission:`", line=1))
    else:
        found += _schema(content, lines)
        found += _label(content, lines, system)
        found += _words(content, lines, rules)
        found += _results(content, lines, rules)
    return faults + [replace(fault, file=path) for fault in found], content


def _of_yaml(problem: YamlError, path: str) -> Fault:
    return error(problem.code, problem.message, problem.hint, path, problem.line)


def _schema(content: Mapping[str, Any], lines: Mapping[Key, int]) -> list[Fault]:
    try:
        Meta.model_validate(content)
    except ValidationError as problems:
        faults: dict[Key, Fault] = {}
        for problem in problems.errors():
            key = tuple(part for part in problem["loc"] if part not in (ONE, SEVERAL))
            name = next((part for part in reversed(key) if isinstance(part, str)), "")
            faults.setdefault(key, _schema_fault(problem, key, str(name), lines))
        return list(faults.values())
    return []


def _schema_fault(problem: Any, key: Key, name: str, lines: Mapping[Key, int]) -> Fault:
    shown = ".".join(str(part + 1) if isinstance(part, int) else part for part in key)
    line = _line(lines, key)
    if problem["type"] == "missing":
        return error("meta-missing-key", f"{shown} is missing", f"add `{name}:`", line=line)
    code = {"abbreviation": "meta-abbreviation", "label": "label", "total_parameters": "meta-number", "MACS": "meta-number"}
    code["submission"] = code["authors"] = "meta-corresponding" if "corresponding" in problem["msg"] else "meta-schema"
    if problem["type"] == "value_error":
        message = str(problem["ctx"]["error"])
    elif problem["input"] is None:
        message = f"{shown} is empty"
    else:
        message = f"{shown} is {_short(problem['input'])}: {problem['msg'][0].lower()}{problem['msg'][1:]}"
    hint = _HINTS.get(name, "see the file that `asdzoo submit` writes")
    if name in ("total_parameters", "MACS") and (number := _number_in(problem["input"])):
        hint = f"write {number}; {hint}"
    return error(code.get(name, "meta-schema"), message, hint, line=line)


_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9, "t": 10**12}


def _number_in(value: object) -> int | None:
    """The whole number that a text means: `1.2e6`, `4,204,083` or `97.58M`; None when it means none."""
    text = str(value).replace(",", "").replace("_", "").strip().lower()
    match = re.fullmatch(r"(\d{1,18}(?:\.\d{1,18})?(?:e\+?\d{1,2})?) ?([kmgbt]?)", text)
    if not isinstance(value, str) or match is None:
        return None
    number = Decimal(match[1]) * _UNITS[match[2]]
    return int(number) if 0 < number < 10**18 else None


def _label(content: Mapping[str, Any], lines: Mapping[Key, int], system: SystemFiles) -> list[Fault]:
    label = _at(content, "submission", "label")
    if isinstance(label, str) and system.folder and label != system.label:
        message = f"label {label!r}, but the folder is {system.label!r}"
        return [
            error(
                "label-differs",
                message,
                "label, folder and file name are one and the same",
                line=_line(lines, ("submission", "label")),
            )
        ]
    return []


def _words(content: Mapping[str, Any], lines: Mapping[Key, int], rules: Rules) -> list[Fault]:
    """Unknown and missing keys: the templates of most years were not seen, so these are warnings."""
    faults = []
    blocks: list[tuple[Key, type[BaseModel]]] = [
        ((), Meta),
        (("submission",), Submission),
        (("system",), System),
        (("system", "complexity"), Complexity),
        (("results",), Results),
    ]
    authors = _at(content, "submission", "authors")
    for index in range(len(authors) if isinstance(authors, list) else 0):
        blocks += [(("submission", "authors", index), Author), (("submission", "authors", index, "affiliation"), Affiliation)]
    external = _at(content, "system", "external_datasets")
    blocks += [
        (("system", "external_datasets", index), External)
        for index in range(len(external) if isinstance(external, list) else 0)
    ]
    for path, model in blocks:
        faults += _unknown(content, lines, path, list(model.model_fields))
    faults += _unknown(content, lines, ("system", "description"), list(DESCRIPTION))
    later: list[Key] = [("system", "description", key) for key in DESCRIPTION if key not in rules.description]
    later += [] if rules.external_datasets else [("system", "external_datasets")]
    for place in later:
        if _at(content, *place) is not None:
            message, line = f"{'.'.join(map(str, place))} is not in the template of {rules.year}", _line(lines, place)
            faults.append(warning("meta-later-key", message, "leave it out", line=line))
    described = _at(content, "system", "description")
    if isinstance(described, dict):
        missing = [key for key in rules.description if key not in described]
        if missing:
            faults.append(
                warning(
                    "meta-description",
                    f"system.description lacks {', '.join(missing)}",
                    "add them, with !!null where they do not apply",
                    line=_line(lines, ("system", "description")),
                )
            )
        count = described.get("ensemble_method_subsystem_count")
        if count is not None and (not isinstance(count, int) or count < 1):
            where = _line(lines, ("system", "description", "ensemble_method_subsystem_count"))
            faults.append(
                error(
                    "meta-number",
                    f"ensemble_method_subsystem_count is {_short(count)}",
                    "a whole number, or !!null",
                    line=where,
                )
            )
    return faults


def _unknown(content: Mapping[str, Any], lines: Mapping[Key, int], path: Key, known: list[str]) -> list[Fault]:
    block = _at(content, *path)
    faults = []
    for key in block if isinstance(block, dict) else ():
        if key not in known:
            nearest = get_close_matches(str(key), known, n=1, cutoff=0.6)
            hint = f"did you mean {nearest[0]}?" if nearest else f"known here: {', '.join(known)}"
            faults.append(warning("meta-unknown-key", f"unknown key {key!r}", hint, line=_line(lines, (*path, str(key)))))
    return faults


def _results(content: Mapping[str, Any], lines: Mapping[Key, int], rules: Rules) -> list[Fault]:
    table = _at(content, "results", "development_dataset")
    faults = []
    for machine, row in table.items() if isinstance(table, dict) else ():
        for key, value in row.items() if isinstance(row, dict) else ():
            line = _line(lines, ("results", "development_dataset", str(machine), str(key)))
            name = f"{machine}.{key}"
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float):
                faults.append(warning("result-number", f"{name} is {_short(value)}", "a number, in per cent", line=line))
            elif not 0 <= value <= 100:
                faults.append(error("result-range", f"{name} is {value:g}, not a percentage", "between 0 and 100", line=line))
            elif 0 < value <= 1:
                faults.append(
                    warning("result-fraction", f"{name} is {value:g}: a fraction?", "results are per cent", line=line)
                )
            elif "pauc" in str(key).lower() and value < PAUC_FLOOR - 0.01:
                faults.append(
                    error(
                        "result-pauc",
                        f"{name} is {value:g}: a standardised pAUC is never below {PAUC_FLOOR:.2f} %",
                        "sklearn.metrics.roc_auc_score(..., max_fpr=0.1) standardises (McClish)",
                        line=line,
                    )
                )
            elif key not in rules.results:
                faults.append(warning("result-key", f"unknown result {key!r}", f"known: {', '.join(rules.results)}", line=line))
    return faults


def _at(content: Any, *path: str | int) -> Any:
    """What stands at a key path, None where the path leads nowhere."""
    for part in path:
        if isinstance(content, dict):
            content = content.get(part)
        elif isinstance(content, list) and isinstance(part, int) and part < len(content):
            content = content[part]
        else:
            return None
    return content


def _line(lines: Mapping[Key, int], key: Key) -> int | None:
    """The line of a key, or of the nearest block around it."""
    return next((lines[key[:length]] for length in range(len(key), -1, -1) if key[:length] in lines), None)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
