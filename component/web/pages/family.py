"""The chat page, on the public listener: / and /assets."""

from __future__ import annotations

from aiohttp import web

from component.web.pages import policy
from component.web.pages.files import packaged
from component.web.pages.routes import page_routes
from component.web.server.family import Family
from component.web.server.settings import Listener, Services, WebSettings


def _chat(prefix: str, settings: WebSettings, services: Services) -> web.Application:
    app = web.Application()
    if settings.pages.enabled:
        files = packaged()
        values = {
            # Relative, so that the page works behind a proxy that serves it at another path.
            "api": f"{settings.prefix.strip('/')}/v1".lstrip("/"),
            "domain": services.hosts.default,
            "sign-up": "yes" if _signs_up(services) else "no",
            "uploads": " ".join(settings.pages.upload_origins),
        }
        style = files.text("shared/base.css", "chat/chat.css")
        page = files.page("chat/index.html", values, modules=("shared", "chat"), style=style)
        headers = policy.headers(settings.pages.upload_origins, style=style)
        app.add_routes(page_routes(prefix, page, files, headers))
    return app


def _signs_up(services: Services) -> bool:
    """Return whether everybody may create an account."""
    return services.chat is not None and services.chat.sign_up.is_allowed


#: Anybody may load the page. It reads and sends by the APIs for users, with their tokens.
CHAT_PAGE = Family(
    name="chat page",
    listener=Listener.PUBLIC,
    prefix="",
    authenticate=None,
    needs_sign_in=True,
    needs_chat=True,
    is_api=False,
    make_app=_chat,
)
