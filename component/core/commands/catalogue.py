"""Every command there is."""

from __future__ import annotations

from component.core.commands.accounts import ON_ACCOUNTS
from component.core.commands.archives import ARCHIVES
from component.core.commands.rosters import OF_ACCOUNTS
from component.core.commands.service import ON_THE_SERVICE

COMMANDS = (*ON_THE_SERVICE, *ARCHIVES, *ON_ACCOUNTS, *OF_ACCOUNTS)
