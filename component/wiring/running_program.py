"""Take the settings of a client of the running program from the configuration.

Commands and extauth import this module, not `settings`: that one imports all parts of the program,
which takes 0.3 s.
"""

from __future__ import annotations

from component.clients.muniment_http import ClientSettings
from component.config import Http

SPARE_SECONDS = 2.0


def client_settings(http: Http) -> ClientSettings:
    """Return the address of the running program, and the secret that clients send to it."""
    return ClientSettings(
        address=http.address,
        port=http.port,
        secret=http.secret.get_secret_value() if http.secret else None,
        prefix=http.prefix,
        # By then the program has answered, at least that the request took too long.
        timeout_seconds=http.request_timeout_seconds + SPARE_SECONDS,
    )
