"""The API families of the private listener. A request goes to the first with a route for it."""

from __future__ import annotations

from component.web.admin.family import ADMINISTRATION
from component.web.archive.family import ARCHIVE
from component.web.gateway.status_family import GATEWAY_STATUS
from component.web.health.family import HEALTH
from component.web.metrics.family import METRICS
from component.web.openapi.family import DOCS
from component.web.operators.family import OPERATOR_PAGES, OPERATOR_SIGN_IN
from component.web.remote_data.family import REMOTE_DATA

FAMILIES = (
    HEALTH,
    METRICS,
    DOCS,
    ARCHIVE,
    ADMINISTRATION,
    OPERATOR_SIGN_IN,
    OPERATOR_PAGES,
    REMOTE_DATA,
    # The last one, because by default it has no prefix.
    GATEWAY_STATUS,
)
