"""The API families of all listeners."""

from __future__ import annotations

from component.web.app import families_of
from component.web.server.settings import Listener

FAMILIES = tuple(family for listener in Listener for family in families_of(listener))
