"""The access log: one line for each request, with its path and cost but not its content."""

from __future__ import annotations

import logging

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

log = logging.getLogger(__name__)


class AccessLog(AbstractAccessLogger):
    """Logs no query strings, headers and bodies, because they have secrets and messages."""

    @property
    def enabled(self) -> bool:
        """Whether the level of the log includes access lines."""
        return self.logger.isEnabledFor(logging.INFO)

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Log one request. The path stays percent-encoded, so it cannot break the line."""
        self.logger.info(
            "%s %s %d %d ms %d bytes",
            request.method,
            request.rel_url.raw_path,
            response.status,
            round(time * 1000),
            response.body_length,
        )
