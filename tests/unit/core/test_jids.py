"""Parts of JIDs."""

from __future__ import annotations

import pytest

from component.core.xml import jids

PARTS = [
    # address, local, domain, resource
    ("alice@example.org/phone", "alice", "example.org", "phone"),
    ("alice@example.org", "alice", "example.org", ""),
    ("example.org", "", "example.org", ""),
    ("example.org/phone", "", "example.org", "phone"),
    ("alice@example.org/a/b", "alice", "example.org", "a/b"),
    ("alice@example.org/at@home", "alice", "example.org", "at@home"),
    ("example.org/at@home", "", "example.org", "at@home"),
    ("alice@example.org/", "alice", "example.org", ""),
    ("", "", "", ""),
    ("ünï@exämple.org/\U0001f600", "ünï", "exämple.org", "\U0001f600"),
]


@pytest.mark.parametrize(("address", "local", "domain", "resource"), PARTS)
def test_jid_has_localpart_domainpart_and_resourcepart(
    address: str, local: str, domain: str, resource: str
) -> None:
    parts = (jids.local(address), jids.domain(address), jids.resource(address))

    assert parts == (local, domain, resource)


@pytest.mark.parametrize("address", [address for address, *_ in PARTS])
def test_bare_jid_ends_before_the_first_slash(address: str) -> None:
    assert jids.bare(address) == address.split("/")[0]
