"""An ejabberd with its own archive, to compare with."""

from __future__ import annotations

from support.ejabberd import Ejabberd


class WithModMam(Ejabberd):
    """An ejabberd whose archive is mod_mam, without any component."""

    def _config(self) -> str:
        config, modules_of_muniment, _ = super()._config().partition("  mod_service_log:")
        assert modules_of_muniment
        return config + "  mod_mam:\n    default: always\n"
