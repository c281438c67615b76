"""The headers of pages: what a browser may load, run and send from them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256


def headers(
    upload_origins: Iterable[str] = (), *, has_forms: bool = False, style: str = ""
) -> dict[str, str]:
    """Return the headers of every response.

    A page may also send files to `upload_origins`, and load them from there by its script. With
    `has_forms` it may send forms to this server, and a browser says where they come from. `style`
    is the only CSS that may stand in the page itself: the policy has its digest.

    All other scripts and styles are files of this server alone. No text becomes HTML or a script,
    because no policy of Trusted Types exists that could make one.
    """
    content = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": f"'self' {_source(style)}" if style else "'self'",
        "img-src": "'self' data: blob:",
        "connect-src": " ".join(("'self'", *upload_origins)),
        "base-uri": "'none'",
        "form-action": "'self'" if has_forms else "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in content.items()),
        "X-Content-Type-Options": "nosniff",
        # Without a referrer, browsers send no Origin with a form either.
        "Referrer-Policy": "same-origin" if has_forms else "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }


def _source(content: str) -> str:
    """Return the source that allows this content inline (CSP Level 3 section 2.3.1)."""
    return f"'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'"
