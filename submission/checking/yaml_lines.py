"""Reading YAML from strangers: plain data only, small, and every value with the line it stands on.

Refused are what a metadata file never needs and an attacker does: aliases (they expand without end), tags that build objects,
deep nesting. The standard tags stay, the official template writes `!!null`.
"""

from typing import Any

import yaml

from submission.checking.faults import Fault, error

Key = tuple[str | int, ...]

_DEEPEST = 20
_PLAIN = {f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "seq", "map", "timestamp")}


class _Refused(yaml.YAMLError):
    def __init__(self, code: str, message: str, hint: str, line: int) -> None:
        super().__init__(message)
        self.fault = error(code, message, hint, line=line)


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses what the module says."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        line = self.peek_event().start_mark.line + 1  # type: ignore[no-untyped-call]
        if self.check_event(yaml.AliasEvent):
            raise _Refused("yaml-alias", "an alias (`*name`)", "write the value out", line)
        self.depth += 1
        if self.depth > _DEEPEST:
            raise _Refused("yaml-depth", f"nested more than {_DEEPEST} deep", "metadata has five levels", line)
        node = super().compose_node(parent, index)
        self.depth -= 1
        if node is not None and node.tag not in _PLAIN:
            raise _Refused("yaml-tag", f"the tag {node.tag!r}", "metadata is plain text, numbers, lists and mappings", line)
        return node


def read_yaml(text: str) -> tuple[Any, dict[Key, int], list[Fault]]:
    """The value, the 1-based line of every key path in it, and what is wrong; the value is None when it cannot be read."""
    tabs = [number for number, line in enumerate(text.splitlines(), 1) if "\t" in line[: len(line) - len(line.lstrip())]]
    if tabs:
        return None, {}, [error("yaml-tab", "indented with a tab", "two spaces for each level", line=tabs[0])]
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None or node.tag == "tag:yaml.org,2002:null":
            return None, {}, [error("yaml-empty", "empty", "`asdzoo submit` writes metadata")]
        lines: dict[Key, int] = {}
        faults: list[Fault] = []
        _walk(node, (), lines, faults)
        return loader.construct_document(node), lines, faults
    except _Refused as refused:
        return None, {}, [refused.fault]
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        line = mark.line + 1 if mark else None
        hint = "look at the indentation of this line and the ones above: list items of one list start in one column"
        return None, {}, [error("yaml-syntax", f"no valid YAML: {problem.problem or problem.context}", hint, line=line)]
    except yaml.reader.ReaderError as problem:
        return None, {}, [error("yaml-syntax", f"no valid YAML: {problem.reason}", "save it as plain UTF-8 text")]
    except (ValueError, IndexError, OverflowError) as problem:  # from int() and the like, for `!!int x` or a 13th month
        return None, {}, [error("yaml-value", f"a value that YAML cannot read: {problem}", "put it in quotes")]
    finally:
        if loader is not None:
            loader.dispose()


def _walk(node: yaml.Node, path: Key, lines: dict[Key, int], faults: list[Fault]) -> None:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _walk(item, (*path, index), lines, faults)
    elif isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise _Refused("yaml-key", "a key that is no plain word", "write `key: value`", line)
            if key.value in seen:
                faults.append(
                    error(
                        "yaml-duplicate-key",
                        f"{key.value!r} stands here and in line {seen[key.value]}",
                        "keep one of them",
                        line=line,
                    )
                )
            seen[key.value] = line
            lines[(*path, key.value)] = line
            _walk(value, (*path, key.value), lines, faults)
