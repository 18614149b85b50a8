"""Whatever stands in a YAML file: plain data, or one sentence with its line; never another error, and never for long."""

import os
import re
import time
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from zoo.config import Frozen, load_yaml, override, parse, shipped_configs
from zoo.errors import AsdzooError
from zoo.yaml_reading import MOST_BYTES, MOST_VALUES, YamlError, read_yaml

LAUGHS = "".join(f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 9)}]\n" for n in range(9))


@pytest.mark.parametrize(
    ("text", "code", "line", "says"),
    [
        ("a: &a [x, x]\n" + LAUGHS.replace("*a0", "*a"), "yaml-alias", 2, "alias"),
        ("a: &a [*a]\n", "yaml-alias", 1, "alias"),
        ("a: " + "[" * 5000, "yaml-depth", 1, "20 deep"),
        ("".join(" " * n + "a:\n" for n in range(300)), "yaml-depth", 20, "20 deep"),
        ("".join(f"k{n}: 1\n" for n in range(MOST_VALUES)), "yaml-size", MOST_VALUES // 2, "20,000"),
        ("a: 1\nb: !!python/object/apply:os.getcwd []\n", "yaml-tag", 2, "python/object"),
        ("a: !mine x\n", "yaml-tag", 1, "!mine"),
        ("<<: {a: 1}\n", "yaml-tag", 1, "merge"),
        ("a: =\n", "yaml-tag", 1, "value"),
        ("a: 1\n[b]: 2\n", "yaml-key", 2, "no plain word"),
        ("a: 1\nb: [\n", "yaml-syntax", 3, "no valid YAML"),
        ("a:\n  b: 1\n\tc: 2\n", "yaml-tab", 3, "tab"),
        ("a: 1\nb:\t2\n", "yaml-tab", 2, "tab"),
        ("a: 1\nb: \x07\n", "yaml-syntax", 2, "not allowed"),
        ('a: 1\nb: "\\x07"\n', "yaml-value", 2, "control character"),
        ('a: "\\ud800"\n', "yaml-value", 1, "control character"),
        ('"a\\0": 1\n', "yaml-value", 1, "control character"),
        ('a: "\\U00110000"\n', "yaml-value", None, "cannot read"),
        ("a: 1\nb: 2024-13-01\n", "yaml-value", 2, "'2024-13-01' is no timestamp"),
        ("a: 2024-01-01 25:00:00\n", "yaml-value", 1, "is no timestamp"),
        ("a: !!timestamp x\n", "yaml-value", 1, "'x' is no timestamp"),
        ("a: !!bool x\n", "yaml-value", 1, "'x' is no bool"),
        ("a: !!int ''\n", "yaml-value", 1, "'' is no int"),
        ("a: !!float ''\n", "yaml-value", 1, "'' is no float"),
        ("a: !!int [b]\n", "yaml-tag", 1, "2002:int"),
        ("a: !!seq {b: c}\n", "yaml-tag", 1, "2002:seq"),
        ("a: !!map b\n", "yaml-tag", 1, "2002:map"),
        ("a: " + "9" * 5000, "yaml-value", 1, "int of 5,000 characters"),
        ("a: 0b" + "1" * 5000, "yaml-value", 1, "int of 5,002 characters"),
        ("a: 1" + ":59" * 5000, "yaml-value", 1, "int of 15,001 characters"),
        ("a: 1\n---\nb: 2\n", "yaml-syntax", 2, "no valid YAML"),
        ("%YAML 9.1\n---\na: 1\n", "yaml-syntax", 1, "no valid YAML"),
    ],
)  # fmt: skip
def test_what_is_refused_in_a_sentence_with_its_line(text: str, code: str, line: int | None, says: str) -> None:
    begun = time.perf_counter()
    with pytest.raises(YamlError) as raised:
        read_yaml(text)
    assert (raised.value.code, raised.value.line) == (code, line)
    assert says in raised.value.message
    assert raised.value.hint
    assert time.perf_counter() - begun < 10


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("# later\n", None),
        ("~\n", None),
        ('a: "x\n\ty"\n', {"a": "x y"}),  # a tab on the second line of a quoted text
        ("a: 'b\tc'\n", {"a": "b\tc"}),
        ("a: |\n  b\n  \tc\n", {"a": "b\n\tc\n"}),
        ("a: !!null\nb: !!str 1\nc: !!float 1\n", {"a": None, "b": "1", "c": 1.0}),
        ("a: [{name: !!null, url: !!null}, !!str]\n", {"a": [{"name": None, "url": None}, ""]}),
        ("1: a\n'1': b\n", {1: "a", "1": "b"}),
        ("a: 2024-06-15\n", {"a": date(2024, 6, 15)}),
        ("\ufeffa: 1\n", {"a": 1}),
        ("a: 1\r\nb: 2\r\n", {"a": 1, "b": 2}),
        ("name: Jörg 王\n", {"name": "Jörg 王"}),
    ],
)
def test_what_is_plain_data(text: str, value: Any) -> None:
    assert read_yaml(text).value == value


def test_every_key_has_its_line_and_a_repeated_one_is_said() -> None:
    document = read_yaml("a:\n  - b: 1\n    c: 2\nd: {e: 3}\na: 4\n")
    assert document.value == {"a": 4, "d": {"e": 3}}
    assert document.lines[("a", 0, "c")] == 3
    assert document.lines[("d", "e")] == 4
    (problem,) = document.repeated
    assert (problem.code, problem.line) == ("yaml-duplicate-key", 5)
    assert problem.message == "the key 'a' stands twice, here and in line 1"


def test_what_we_ship_reads_as_pyyaml_reads_it() -> None:
    for path in sorted(shipped_configs().rglob("*.yaml")):
        assert read_yaml(path.read_text()).value == yaml.safe_load(path.read_text()), path


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(exclude_categories=["C"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc: -'", max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(PLAIN, st.booleans())
@settings(deadline=None, max_examples=100)
def test_what_pyyaml_writes_comes_back(value: Any, flow: bool) -> None:
    text = yaml.safe_dump({"value": value}, allow_unicode=True, default_flow_style=flow, width=10**6)
    if "&id" in text or re.search(r"\d{64}", text):  # an alias that PyYAML made, a number of more than 64 digits
        with suppress(YamlError):
            read_yaml(text)
    else:
        assert read_yaml(text).value == {"value": value}


@given(st.text(alphabet="ab:-[]{},#&*!|>'\"\n %@`?.0123456789_\t\\xuU=<~", max_size=80))
@example('a: "\\U00110000"')
@settings(deadline=None, max_examples=300)
def test_no_text_escapes_as_another_error(text: str) -> None:
    with suppress(YamlError):
        assert all(line >= 1 for line in read_yaml(text).lines.values())


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"a: &a [x]\n" + LAUGHS.replace("*a0", "*a").encode(), "line 2: an alias"),
        (b"a: 1\na: 2\n", "line 2: the key 'a' stands twice, here and in line 1"),
        (b"x" * (MOST_BYTES + 1), "is larger than 1 MiB"),
        (b"a: \xff\n", "is no UTF-8 text"),
        ("a: 1\n".encode("utf-16"), "is no UTF-8 text"),
        (b"- a\n", "holds no mapping"),
        (b"", "holds no mapping"),
    ],
)
def test_a_file_is_refused_by_its_path(content: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "team.yaml"
    path.write_bytes(content)
    with pytest.raises(AsdzooError) as raised:
        load_yaml(path)
    assert raised.value.message.startswith(str(path))
    assert says in raised.value.message
    assert raised.value.hint


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:

    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "folder.yaml").mkdir()
    for name in ("pipe.yaml", "folder.yaml"):
        with pytest.raises(AsdzooError, match="is no file"):
            load_yaml(tmp_path / name)
    with pytest.raises(AsdzooError, match="no file"):
        load_yaml(tmp_path / "none.yaml")


class Sized(Frozen):
    size: int


def test_a_value_on_the_command_line_is_read_the_same_way() -> None:
    assert override({}, ["a=", "b=[1, 2]", "c={d: x}"]) == {"a": None, "b": [1, 2], "c": {"d": "x"}}
    for text in ("*x", "{a: 1, a: 2}", "9" * 5000, "!!bool x", '"\\0"'):
        with pytest.raises(AsdzooError, match="is not a YAML value"):
            override({}, [f"a={text}"])


def test_a_wrong_value_is_quoted_at_readable_length() -> None:
    with pytest.raises(AsdzooError) as raised:
        parse(Sized, {"size": "x" * 10_000}, "mine.yaml")
    assert len(raised.value.hint) < 200
