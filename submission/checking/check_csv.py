"""Faults inside the score and decision files."""

import csv
import io
import math
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import islice

from submission.checking.faults import Fault, Level
from submission.checking.package import Package
from submission.checking.rules import Part, Rules
from zoo.data.names import parse_name
from zoo.formulas import is_formula

_LARGEST = 2 * 2**20  # bytes; 200 rows have 8 KiB
MOST_ROWS = 20_000  # of a file


@dataclass
class Rows:
    """A CSV that was read: clip -> value as written, and what is wrong, one fault for each kind."""

    path: str
    values: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)  # clip -> 1-based line
    read: int = 0  # rows, the faulty ones as well
    _first: dict[str, Fault] = field(default_factory=dict)  # of each kind
    _count: Counter[str] = field(default_factory=Counter)

    def add(self, code: str, level: Level, message: str, hint: str, line: int | None = None) -> None:
        """Note a fault; of several of a kind, the first is shown with the number of all."""
        self._first.setdefault(code, Fault(code, level, message, hint, self.path, line))
        self._count[code] += 1

    @property
    def faults(self) -> list[Fault]:
        return [
            replace(fault, message=f"{fault.message} ({self._count[code]} lines)") if self._count[code] > 1 else fault
            for code, fault in self._first.items()
        ]


def read_rows(package: Package, path: str, part: Part, rules: Rules, most: int = MOST_ROWS) -> Rows:
    """Read a file of `clip,value` lines as the evaluator does, noting everything that it would stumble over.

    At most `most` rows are read, and never more than `MOST_ROWS`.
    """
    rows = Rows(path)
    text = _text(package, rows)
    if text is None:
        return rows
    try:
        parsed = _numbered(text, min(most, MOST_ROWS) + 1)
    except csv.Error as problem:
        rows.add("csv-syntax", "error", f"no valid CSV: {problem}", "two columns, clip and value")
        return rows
    official = part.machine in rules.machines
    form = re.compile(re.escape(_clip_form(part, rules)).replace("0000", r"\d{4}")) if official else None
    if len(parsed) > min(most, MOST_ROWS):
        last = parsed.pop()[0]
        rows.add("csv-size", "error", f"more than {len(parsed):,} rows; the rest was not read", "one row for each clip", last)
    rows.read = len(parsed)
    for number, row in parsed:
        if not any(cell.strip() for cell in row):
            rows.add("csv-blank-line", "error", "an empty line", "delete it; the evaluator would count it as a clip", number)
        elif len(row) != 2:
            rows.add("csv-columns", "error", f"{len(row)} columns, not 2", _column_hint(row), number)
        elif number == 1 and not row[0].strip().lower().endswith(".wav") and not _is_number(row[1]):
            rows.add(
                "csv-header", "error", f"a header ({row[0]},{row[1]})"[:80], "delete the line; files have no header", number
            )
        else:
            _clip(rows, row[0], number, part, form)
            if row[1] != row[1].strip():
                rows.add("csv-space", "warning", "a space beside the value", "write `clip,value` without spaces", number)
            if row[0] in rows.values:
                rows.add("clip-twice", "error", f"{row[0]} stands there twice", "one row for each test clip", number)
            rows.values.setdefault(row[0], row[1])
            rows.lines.setdefault(row[0], number)
    if not rows.values and not rows.faults:
        rows.add("csv-empty", "error", "no rows", "one row for each test clip")
    return rows


def check_scores(rows: Rows) -> None:
    """Scores are finite numbers, not all the same."""
    for clip, value in rows.values.items():
        if not _is_number(value):
            hint = "decimal points, no units" if value.strip() else "every clip needs a score"
            rows.add("score-number", "error", f"the score of {clip} is {value[:40]!r}, no number", hint, rows.lines[clip])
        elif not math.isfinite(float(value)):
            rows.add(
                "score-finite",
                "error",
                f"the score of {clip} is {value.strip()}",
                "scores are finite; train or score again",
                rows.lines[clip],
            )
    if len(rows.values) > 1 and len(set(rows.values.values())) == 1:
        rows.add("score-constant", "warning", "all scores are the same", "the system tells nothing about these clips")


def check_decisions(rows: Rows) -> None:
    """Decisions are 0 or 1, and both occur."""
    for clip, value in rows.values.items():
        if value.strip() in ("0", "1"):
            continue
        if _is_number(value) and math.isfinite(float(value)) and int(float(value)) in (0, 1):  # as the evaluator reads it
            message = f"the decision of {clip} is {value.strip()[:40]}: the evaluator takes it for {int(float(value))}"
            rows.add("decision-form", "warning", message, "write 0 or 1", rows.lines[clip])
        else:
            rows.add(
                "decision-value",
                "error",
                f"the decision of {clip} is {value[:40]!r}",
                "0 is normal, 1 is anomalous",
                rows.lines[clip],
            )
    classes = Counter(float(value) for value in rows.values.values() if _is_number(value))
    if len(rows.values) > 1 and len(classes) == 1:
        one = "normal" if 0 in classes else "anomalous"
        rows.add("decision-constant", "warning", f"every clip is decided {one}", "look at the threshold")


def check_agreement(scores: Rows, decisions: Rows) -> None:
    """Decisions cover the scored clips and come from one threshold (one for both domains)."""
    if set(scores.values) != set(decisions.values):
        missing = sorted(set(scores.values) - set(decisions.values))
        extra = sorted(set(decisions.values) - set(scores.values))
        first = f"{missing[0]} has a score but no decision" if missing else f"{extra[0]} has a decision but no score"
        count = len(missing) + len(extra)
        decisions.add(
            "decision-clips", "error", first + (f" ({count} clips)" if count > 1 else ""), "both files list the same clips"
        )
        return
    pairs = [
        (float(scores.values[clip]), float(value))
        for clip, value in decisions.values.items()
        if _is_number(value) and _is_number(scores.values[clip])
    ]
    normal = [score for score, decision in pairs if decision == 0]
    anomalous = [score for score, decision in pairs if decision == 1]
    if not normal or not anomalous:
        return
    if max(anomalous) < min(normal):
        decisions.add(
            "decision-inverted",
            "error",
            "the clips with the lowest scores are decided anomalous",
            "1 is anomalous; a larger score is more so",
        )
    elif max(normal) > min(anomalous):
        above = sum(score < max(normal) for score in anomalous)
        decisions.add(
            "decision-threshold",
            "warning",
            f"no single threshold gives these decisions ({above} anomalous clips score below a normal one)",
            "one threshold for both domains",
        )


def _clip_form(part: Part, rules: Rules) -> str:
    form = rules.clip_form.format(section=part.section)
    return form.replace("_source_", f"_{part.domain}_") if part.domain else form


def _clip(rows: Rows, clip: str, number: int, part: Part, form: re.Pattern[str] | None) -> None:
    """Note what is wrong with the name of a clip; `form` is that of the year's blind clips, None when there is none."""
    if is_formula(clip):
        hint = "rename the recording; whoever opens the file in a spreadsheet would run it"
        rows.add("csv-formula", "warning", f"{clip[:40]!r} begins as a formula of a spreadsheet does", hint, number)
    if form is not None and form.fullmatch(clip):
        return
    if clip != clip.strip():
        rows.add("clip-space", "error", f"a space beside the name {clip!r}", "write `clip,value` without spaces", number)
    elif "/" in clip or "\\" in clip:
        rows.add("clip-path", "error", f"{clip!r} is a path", "the file name alone", number)
    elif not clip.endswith(".wav"):
        rows.add("clip-extension", "error", f"{clip!r} does not end in .wav", "the file name with .wav", number)
    else:
        parsed = parse_name(clip)
        if parsed is not None and parsed.section != part.section:
            rows.add("clip-section", "error", f"{clip} is not of section {part.section}", "one file for each section", number)
        elif form is not None and parsed is not None and parsed.label is not None:
            rows.add("clip-true-name", "warning", f"{clip} is a true name", "evaluation clips have blind names", number)
        elif form is not None:
            rows.add("clip-name", "error", f"{clip!r} is no evaluation clip", "names as in the evaluation set", number)


def _text(package: Package, rows: Rows) -> str | None:
    path = rows.path
    if package.sizes[path] > _LARGEST:
        rows.add("csv-size", "error", f"{package.sizes[path]:,} bytes", "200 rows have 8 KiB")
        return None
    try:
        data = package.read(path, _LARGEST + 1)
    except OSError as problem:
        rows.add("damaged", "error", f"cannot be read: {problem}", "zip it again")
        return None
    if not data.strip():
        rows.add("csv-empty", "error", "empty", "one row for each test clip")
        return None
    if data.startswith(b"\xef\xbb\xbf"):
        rows.add(
            "csv-bom",
            "error",
            "starts with a byte order mark, which becomes part of the first name",
            "save as UTF-8 without BOM",
            1,
        )
        data = data[3:]
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        rows.add("csv-encoding", "error", "no UTF-8 text", "save as plain UTF-8, not as UTF-16 or a spreadsheet")
        return None
    if "\r" in text:
        rows.add("csv-line-ends", "warning", "Windows line ends (CRLF)", "write LF: csv.writer(file, lineterminator='\\n')", 1)
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if '"' in text:
        rows.add("csv-quotes", "warning", "quoted cells", "write `clip,value` without quotes")
    return text


def _numbered(text: str, most: int) -> list[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""))
    return [(reader.line_num, row) for row in islice(reader, most)]


def _column_hint(row: list[str]) -> str:
    joined = ",".join(row)
    if ";" in joined or "\t" in joined:
        return "separate with a comma, not with a semicolon or tab"
    if len(row) == 3 and row[1].strip().lstrip("-").isdigit() and row[2].strip().isdigit():
        return "write decimals with a point, not with a comma"
    return "two columns: clip and value"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
