"""One line a request: what was asked for and what it cost, never what was said."""

from __future__ import annotations

import logging

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

log = logging.getLogger(__name__)


class AccessLog(AbstractAccessLogger):
    """Leaves out the query string, the headers and the bodies: they hold secrets and messages."""

    @property
    def enabled(self) -> bool:
        """Whether anyone reads it."""
        return self.logger.isEnabledFor(logging.INFO)

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Log one request; the path as it was sent, so that it cannot break the line."""
        self.logger.info(
            "%s %s %d %d ms %d bytes",
            request.method,
            request.rel_url.raw_path,
            response.status,
            round(time * 1000),
            response.body_length,
        )
