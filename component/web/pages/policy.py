"""The headers of pages: what a browser may load, run and send from them."""

from __future__ import annotations

from collections.abc import Iterable


def headers(upload_origins: Iterable[str] = ()) -> dict[str, str]:
    """Return the headers of every response; a page may also send files to `upload_origins`.

    Scripts and styles are files of this server alone. No text becomes HTML or a script, because no
    policy of Trusted Types exists that could make one.
    """
    content = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data: blob:",
        "connect-src": " ".join(("'self'", *upload_origins)),
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in content.items()),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
