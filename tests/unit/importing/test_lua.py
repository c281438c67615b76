"""Values in Prosody's files: only what Prosody writes is read, and nothing is executed."""

from __future__ import annotations

import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from component.importing.lua import NotLua, items, returned
from component.importing.prosody_stanzas import NoStanza, stanza_xml

ITEM = b"""item({
	[1] = {
		[1] = "hi \\"you\\" <&> \\195\\164\\n";
		["name"] = "body";
		["attr"] = {};
	};
	["key"] = "k1"; ["when"] = 1700000000.5; ["with"] = "bob@one.test",
	["name"] = "message";
	["attr"] = { ["to"] = "bob@one.test"; type = "chat"; ["urn:x\\001a"] = "b";
		["stamp"] = "2023-11-14T22:13:20Z" };
});
"""


def test_item_is_read_with_the_place_behind_it() -> None:
    read = list(items(ITEM * 2))

    assert [place for _, place in read] == [len(ITEM), 2 * len(ITEM)]
    item = read[0][0]
    assert (item["key"], item["when"], item["with"]) == ("k1", 1700000000.5, "bob@one.test")
    assert stanza_xml(item) == (
        '<message to="bob@one.test" type="chat" xmlns:a2="urn:x" a2:a="b">'
        '<body>hi "you" &lt;&amp;&gt; \u00e4\n</body></message>'
    )
    assert [place for _, place in items(ITEM * 2, len(ITEM))] == [2 * len(ITEM)]


def test_returned_value_is_read() -> None:
    text = b'return {\n\t[false] = "roster";\n\t["a@b"] = true;\n\t[1] = nil, -2, 1e3 };\n'

    assert returned(text) == {False: "roster", "a@b": True, 1: -2, 2: 1000.0}


@pytest.mark.parametrize(
    "text",
    [
        b"os.execute('x')",
        b"item(os.execute('x'));",
        b"item({}) item",
        b"item({",
        b"item({a=});",
        b"item({[{}]=1});",
        b"item(function() end);",
        b'item({"a" "b"});',
        b'item({"\\999"});',
        b"item(1);",
        b'item({["a"]="b"} .. "c");',
        b"item(" + b"{" * 200 + b"}" * 200 + b");",
        b"item({1/0});",
        b"\x1bLua",
    ],
)
def test_anything_else_is_refused(text: bytes) -> None:
    with pytest.raises(NotLua):
        list(items(text))


@pytest.mark.parametrize("text", [b"", b"return", b"return {} x", b"return f()", b"x = 1"])
def test_file_of_another_kind_is_refused(text: bytes) -> None:
    with pytest.raises(NotLua):
        returned(text)


@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for text in (b"item({" + data, data):
        with suppress(NotLua):
            list(items(text))


@pytest.mark.parametrize(
    "item",
    [
        {},
        {"name": "a b", "attr": {}},
        {"name": "a", "attr": {"x y": "1"}},
        {"name": "a", "attr": {"x": 1}},
        {"name": "a", "attr": {}, 1: 5},
        {"name": "a", "attr": {}, 1: {"name": "<b", "attr": {}}},
    ],
)
def test_table_that_is_no_stanza_is_refused(item: dict[object, object]) -> None:
    with pytest.raises(NoStanza):
        stanza_xml(item)


def test_long_text_takes_no_more_memory_than_a_few_copies() -> None:
    text = b'item({ a = "' + b"x" * 4_000_000 + b"\\n" * 1000 + b'"; });'
    tracemalloc.start()
    try:
        [(item, _)] = items(text)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert item == {"a": "x" * 4_000_000 + "\n" * 1000}
    assert peak < 40_000_000
