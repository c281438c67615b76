"""Targets that users name, and those that are refused without being quoted."""

from __future__ import annotations

import json

import pytest
from support.push import Browser

from component.core.errors import BadRequest
from component.core.push.targets import check_scheme, parse_token, web_push, webhook
from storage.rows import PushKind

URL = "https://example.org/hook?key=secret"


def test_token_that_is_a_url_is_a_webhook() -> None:
    target = parse_token(URL)

    assert (target.kind, target.url) == (PushKind.WEBHOOK, URL)


def test_token_that_is_a_subscription_of_a_browser_is_web_push() -> None:
    browser = Browser("https://push.example/1")

    target = parse_token(json.dumps(browser.subscription))

    assert (target.kind, target.url) == (PushKind.WEB_PUSH, "https://push.example/1")
    assert (len(target.public_key), len(target.auth)) == (65, 16)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "token-of-apns",
        "{}",
        '{"endpoint": "https://push.example/1"}',
        '{"endpoint": 1, "keys": {"p256dh": "", "auth": ""}}',
        '{"endpoint": "https://push.example/1", "keys": []}',
        "[" * 100_000,
        "{" * 100_000,
    ],
)
def test_other_tokens_are_refused(token: str) -> None:
    with pytest.raises(BadRequest):
        parse_token(token)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/secret",
        "https:///secret",
        "https://example.org:0/secret",
        "https://example.org:99999/secret",
        "https://[::1/secret",
        "https://user:secret@example.org/",
        "https://example.org/#secret",
        "https://example.org/secret here",
        "https://example.org/secret\n",
        "https://exämple.org/secret",
        "https://example.org/" + "secret" * 400,
    ],
)
def test_unfit_url_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(BadRequest, match=r"^url: ") as refusal:
        webhook(url)

    assert "secret" not in refusal.value.message


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("p256dh", "", "no public key"),
        ("p256dh", "BA", "no public key"),
        ("p256dh", "B" * 87, "no public key"),
        ("p256dh", "é" * 87, "no public key"),
        ("auth", "c2VjcmV0", "auth has to be 16 bytes"),
        ("auth", "not base64!", "auth has to be 16 bytes"),
    ],
)
def test_unfit_keys_of_a_browser_are_refused(key: str, value: str, problem: str) -> None:
    keys = {**Browser("https://push.example/1").subscription["keys"], key: value}

    with pytest.raises(BadRequest, match=problem):
        web_push("https://push.example/1", keys["p256dh"], keys["auth"])


def test_http_needs_permission() -> None:
    target = webhook("http://example.org/")

    check_scheme(target, allows_http=True)
    with pytest.raises(BadRequest, match="has to begin with https:"):
        check_scheme(target, allows_http=False)
