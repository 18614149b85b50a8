"""YAML as plain data: the one way in, for our own files, for a user's and for strangers'.

Every reading is bounded in time and memory, and everything that it refuses is one sentence with the line. Refused are what a
config or a metadata file never needs and what expands without end: aliases, tags that build objects, deep nesting, thousands
of values, numbers of hundreds of digits, control characters that hide behind an escape. The standard tags stay: the organisers'
template writes `!!null`. PyYAML reads first, and what it calls valid is valid; so is `[!!null, !!null]`, where YAML 1.2 ends
the tag at the comma and PyYAML does not.
"""

import re
import unicodedata
from dataclasses import dataclass, field
from typing import Any

import yaml

Key = tuple[str | int, ...]

MOST_BYTES = 2**20  # of a file; an ensemble of forty members has 50 KiB
MOST_VALUES = 20_000  # keys and values of a text
_DEEPEST = 20
_LONGEST_NUMBER = 64  # characters of a number, a date or a word like `true`
_STANDARD = "tag:yaml.org,2002:"
_TEXT, _NULL = f"{_STANDARD}str", f"{_STANDARD}null"
_PLAIN: dict[type[yaml.Node], set[str]] = {
    yaml.ScalarNode: {f"{_STANDARD}{name}" for name in ("null", "bool", "int", "float", "str", "timestamp")},
    yaml.SequenceNode: {f"{_STANDARD}seq"},
    yaml.MappingNode: {f"{_STANDARD}map"},
}
_TAG_BEFORE_INDICATOR = re.compile(r"(!!(?:null|bool|int|float|str))(?=[,\]}])")
_STRAY = (ValueError, LookupError, ArithmeticError, TypeError, AttributeError)  # from PyYAML for `!!bool x`, a 13th month, ...


class YamlError(Exception):
    """What is wrong with a text, how to mend it, and the 1-based line where that is known."""

    def __init__(self, code: str, message: str, hint: str, line: int | None = None) -> None:
        super().__init__(message)
        self.code = code  # stable, for scripts: "yaml-alias"
        self.message = message
        self.hint = hint
        self.line = line


@dataclass(frozen=True)
class Document:
    """What a text holds."""

    value: Any = None  # None when there is nothing in it
    lines: dict[Key, int] = field(default_factory=dict)  # key path -> the 1-based line it stands on
    repeated: tuple[YamlError, ...] = ()  # keys that stand twice; `value` has the last one


class _Loader(yaml.SafeLoader):
    """A safe loader that stops at the first thing too much, before anything is built."""

    def __init__(self, text: str, most_values: int) -> None:
        super().__init__(text)
        self.left, self.most, self.depth = most_values, most_values, 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        line = self.peek_event().start_mark.line + 1  # type: ignore[no-untyped-call]
        if self.check_event(yaml.AliasEvent):
            raise YamlError("yaml-alias", "an alias (`*name`)", "write the value out", line)
        if self.depth == _DEEPEST:
            raise YamlError("yaml-depth", f"nested more than {_DEEPEST} deep", "five levels are enough", line)
        if not self.left:
            raise YamlError("yaml-size", f"more than {self.most:,} keys and values", "keep what is needed", line)
        self.left -= 1
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        if node is not None and node.tag not in _PLAIN[type(node)]:
            hint = "only plain text, numbers, lists and mappings; text that begins with `!`, `=` or `<<` in quotes"
            raise YamlError("yaml-tag", f"the tag {node.tag!r}", hint, line)
        return node


def read_yaml(text: str, most_values: int = MOST_VALUES) -> Document:
    """The plain data in `text`. Raises: YamlError for what is no YAML, or more than plain data, or too much of it."""
    try:
        return _read(text, most_values)
    except YamlError:
        spaced = _TAG_BEFORE_INDICATOR.sub(r"\1 ", text)
        if spaced == text:
            raise
        return _read(spaced, most_values)


def _read(text: str, most_values: int) -> Document:
    try:
        loader = _Loader(text, most_values)
    except yaml.reader.ReaderError as problem:
        line = text.count("\n", 0, problem.position) + 1
        raise YamlError("yaml-syntax", f"no valid YAML: {problem.reason}", "save it as plain UTF-8 text", line) from None
    try:
        node = _composed(loader, text)
        if node is None or node.tag == _NULL:
            return Document()
        lines: dict[Key, int] = {}
        repeated: list[YamlError] = []
        return Document(_built(loader, node, (), lines, repeated), lines, tuple(repeated))
    finally:
        loader.dispose()


def _composed(loader: _Loader, text: str) -> yaml.Node | None:
    try:
        return loader.get_single_node()
    except yaml.MarkedYAMLError as problem:
        raise _syntax(text, problem) from None
    except _STRAY as problem:  # an escape that is no character, a version that is no number
        raise YamlError("yaml-value", f"a value that YAML cannot read: {problem}", "put it in quotes") from None


def _syntax(text: str, problem: yaml.MarkedYAMLError) -> YamlError:
    mark = problem.problem_mark or problem.context_mark
    line = mark.line + 1 if mark else None
    before = text.splitlines()[mark.line][: mark.column + 1] if mark and mark.line < len(text.splitlines()) else ""
    if "\t" in before[: len(before) - len(before.lstrip())] or before.endswith("\t"):
        return YamlError(
            "yaml-tab", "a tab where YAML takes spaces only", "two spaces for each level, one behind a colon", line
        )
    hint = "look at the indentation of this line and the ones above: list items of one list start in one column"
    return YamlError("yaml-syntax", f"no valid YAML: {problem.problem or problem.context}", hint, line)


def _built(loader: _Loader, node: yaml.Node, path: Key, lines: dict[Key, int], repeated: list[YamlError]) -> Any:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        return [_built(loader, item, (*path, index), lines, repeated) for index, item in enumerate(node.value)]
    if isinstance(node, yaml.ScalarNode):
        return _scalar(loader, node)
    block: dict[Any, Any] = {}
    first: dict[Any, int] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise YamlError("yaml-key", "a key that is no plain word", "write `key: value`", line)
        key = _scalar(loader, key_node)
        if key in first:
            message = f"the key {key_node.value!r} stands twice, here and in line {first[key]}"
            repeated.append(YamlError("yaml-duplicate-key", message, "keep one of them", line))
        first[key] = line
        inner = (*path, key_node.value)
        lines[inner] = line
        block[key] = _built(loader, value_node, inner, lines, repeated)
    return block


def _scalar(loader: _Loader, node: yaml.ScalarNode) -> Any:
    line, kind = node.start_mark.line + 1, node.tag.removeprefix(_STANDARD)
    if node.tag == _TEXT:
        for letter in node.value:
            if letter not in "\t\n\r" and unicodedata.category(letter) in ("Cc", "Cs"):
                raise YamlError("yaml-value", f"a control character ({letter!a}) in a text", "leave it out", line)
        return str(node.value)
    message, hint = "a value that YAML cannot read: ", "put it in quotes if it is text"
    if node.tag != _NULL and len(node.value) > _LONGEST_NUMBER:
        raise YamlError("yaml-value", f"{message}{kind} of {len(node.value):,} characters", hint, line)
    try:
        return loader.construct_object(node)
    except (*_STRAY, yaml.constructor.ConstructorError):
        raise YamlError("yaml-value", f"{message}{node.value!r} is no {kind}", hint, line) from None
