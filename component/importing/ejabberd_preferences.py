"""Reads lists of JIDs that ejabberd has written as Erlang terms (table `archive_prefs`)."""

from __future__ import annotations

import re

_BINARY = r'<<(?:"(?:[^"\\]|\\.)*"(?:/utf8)?|[\d,\s]*)>>'
_JID = re.compile(rf"\s*\{{\s*({_BINARY})\s*,\s*({_BINARY})\s*,\s*({_BINARY})\s*\}}\s*")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "s": " ", "e": "\x1b"}

#: Longer lists are refused.
_JIDS_MAX = 10_000


def jids_of(term: str) -> tuple[str, ...]:
    """Return the JIDs of a list like `[{<<"bob">>,<<"one.test">>,<<>>}]`. Raises ValueError."""
    text = term.strip()
    if not (text.startswith("[") and text.endswith("]")):
        raise ValueError("this is no list of JIDs")
    jids: list[str] = []
    place, end = 1, len(text) - 1
    while text[place:end].strip():
        if jids:
            comma = text.find(",", place, end)
            if comma < 0 or text[place:comma].strip():
                raise ValueError("this is no list of JIDs")
            place = comma + 1
        match = _JID.match(text, place, end)
        if match is None or len(jids) == _JIDS_MAX:
            raise ValueError("this is no list of JIDs")
        local, domain, resource = map(_binary, match.groups())
        jids.append(f"{local}{'@' if local else ''}{domain}{'/' if resource else ''}{resource}")
        place = match.end()
    return tuple(jids)


def _binary(term: str) -> str:
    content = term[2:-2]
    if not content.startswith('"'):
        numbers = [int(number) for number in content.split(",") if number.strip()]
        return bytes(numbers).decode()
    quoted = content.removesuffix("/utf8")[1:-1]
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), quoted)
