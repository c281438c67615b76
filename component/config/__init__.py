"""The configuration: one TOML file, overridden by the environment, checked before anything starts.

Only `component.cli` and `component.app` read it; every other part is handed its own values.
"""

from __future__ import annotations

from component.config.problems import ConfigError
from component.config.reading import load
from component.config.sections import SECTIONS, Archive, Config, Http, Log, Storage, Xmpp

__all__ = [
    "SECTIONS",
    "Archive",
    "Config",
    "ConfigError",
    "Http",
    "Log",
    "Storage",
    "Xmpp",
    "load",
]
