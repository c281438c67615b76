"""The pages of accounts: a list, forms that create, change and delete accounts, and refusals."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

import pytest
from support.accounts import source_of
from support.archives import Talk, to_bob
from support.fake_ejabberd_api import fake_accounts
from support.http_services import HOST, OTHER_HOST, open_services
from support.operators import CHIEF, OperatorBrowser, Page, operator_browser

from component.core.accounts.protocol import AccountSource, UnknownAccounts
from component.web.server.settings import Services
from storage.rows import ANY, Hold

ALICE, BOB = f"alice@{HOST}", f"bob@{HOST}"

PASSWORD = "correct horse"
BOTH = {"password": PASSWORD, "again": PASSWORD}


@pytest.fixture
async def chief(services: Services) -> AsyncIterator[OperatorBrowser]:
    async with operator_browser(services, CHIEF) as browser:
        yield browser


async def orders(services: Services) -> list[tuple[str, str, str, str]]:
    """Return the entries of the audit log but those of reads, the oldest first."""
    await services.writer.wait_durable()
    entries = await services.storage.audit_log.entries(limit=100)
    return [
        (entry.actor, entry.action, entry.subject, entry.detail)
        for entry in entries[::-1]
        if entry.action != "users"
    ]


async def may_log_in(services: Services, jid: str, password: str = PASSWORD) -> bool:
    return await services.accounts.authenticator.authenticate(jid, password)


def accounts_of(page: Page) -> list[str]:
    """Return the accounts that a page lists."""
    return [
        link.removeprefix("/operators/accounts/")
        for link in page.links
        if link.startswith("/operators/accounts/")
    ]


async def test_account_is_created_and_shown(services: Services, chief: OperatorBrowser) -> None:
    page = await chief.post("accounts", name=" Alice ", host=HOST, **BOTH)

    assert (page.status, page.path) == (200, f"/operators/accounts/{ALICE}?done=created")
    assert "The account is created" in page.text
    assert "State enabled" in page.text
    assert await may_log_in(services, ALICE)
    assert await orders(services) == [("chief", "add-user", ALICE, "")]


async def test_account_of_another_host_is_created_by_its_jid(
    services: Services, chief: OperatorBrowser
) -> None:
    page = await chief.post("accounts", name=f"alice@{OTHER_HOST}", host=HOST, **BOTH)

    assert "The account is created" in page.text
    assert accounts_of(await chief.get("accounts", host=OTHER_HOST)) == [f"alice@{OTHER_HOST}"]
    assert accounts_of(await chief.get("accounts")) == []


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"name": "", **BOTH}, 400, "Enter the name of the new account"),
        ({"name": "bob"}, 400, "Enter a password."),
        ({"name": "bob", "password": "one", "again": "two"}, 400, "The two passwords differ"),
        ({"name": "bob", "password": "x" * 1025, "again": "x" * 1025}, 400, "longer than 1024"),
        ({"name": "bob", "password": "a\tb", "again": "a\tb"}, 400, "The password"),
        ({"name": "bob@elsewhere.example", **BOTH}, 404, "is not served here"),
        ({"name": "b b", **BOTH}, 400, ""),
        ({"name": f"{BOB}/phone", **BOTH}, 400, "without a resource"),
        ({"name": "carol", **BOTH}, 409, "There is such an account already."),
    ],
)
async def test_wrong_account_is_refused_beside_the_form(
    services: Services,
    chief: OperatorBrowser,
    fields: dict[str, str],
    status: int,
    words: str,
) -> None:
    await services.accounts.admin.register(f"carol@{HOST}", "pencil")

    page = await chief.post("accounts", **fields)

    assert page.status == status
    assert words in page.text
    values = {field["name"]: field.get("value") for field in page.elements("input")}
    assert values["name"] == fields["name"]
    assert (values["password"], values["again"]) == (None, None)
    assert accounts_of(page) == [f"carol@{HOST}"]
    assert not await may_log_in(services, f"carol@{HOST}")


async def test_accounts_are_paged_and_found_by_a_part_of_their_names(
    services: Services, chief: OperatorBrowser
) -> None:
    for number in range(60):
        await services.accounts.admin.register(f"user{number:02}@{HOST}", "pencil")
    await services.accounts.admin.set_enabled(f"user07@{HOST}", False)

    first = await chief.get("accounts")
    [following] = [link for link in first.links if "after=" in link]
    second = await chief.get(following)
    found = await chief.get("accounts", part=" USER07 ")

    assert f"{HOST} has 60 accounts." in first.text
    assert accounts_of(first) + accounts_of(second) == [
        f"user{number:02}@{HOST}" for number in range(60)
    ]
    assert accounts_of(found) == [f"user07@{HOST}"]
    assert f"user07@{HOST} disabled" in found.text
    assert accounts_of(await chief.get("accounts", part=f"ser08@{HOST}")) == [f"user08@{HOST}"]
    nobody = await chief.get("accounts", part="<b>")
    assert f"No account on {HOST} has “<b>” in its name." in nobody.text
    assert "There are no further accounts." in (await chief.get("accounts", after="zz")).text


async def test_list_without_accounts_says_what_to_do(chief: OperatorBrowser) -> None:
    page = await chief.get("accounts")

    assert f"There is no account on {HOST} yet. Create the first one below." in page.text


async def test_password_is_set_and_ends_sign_ins(
    services: Services, chief: OperatorBrowser
) -> None:
    await services.accounts.admin.register(ALICE, "pencil")

    wrong = await chief.post(f"accounts/{ALICE}/password", password="one", again="two")
    assert (wrong.status, "The two passwords differ" in wrong.text) == (400, True)
    assert await may_log_in(services, ALICE, "pencil")

    page = await chief.post(f"accounts/{ALICE}/password", **BOTH)
    assert "The account has a new password." in page.text
    assert await may_log_in(services, ALICE)
    assert await orders(services) == [("chief", "set-password", ALICE, "")]


async def test_account_is_disabled_after_a_confirmation_and_enabled(
    services: Services, chief: OperatorBrowser
) -> None:
    await services.accounts.admin.register(ALICE, PASSWORD)

    page = await chief.post(f"accounts/{ALICE}/disable")
    assert (page.status, "tick the box" in page.text) == (400, True)
    assert await may_log_in(services, ALICE)

    page = await chief.post(f"accounts/{ALICE}/disable", confirm="true")
    assert "nobody can sign in to it" in page.text
    assert "State disabled" in page.text
    assert not await may_log_in(services, ALICE)

    page = await chief.post(f"accounts/{ALICE}/enable")
    assert "State enabled" in page.text
    assert await may_log_in(services, ALICE)
    assert await orders(services) == [
        ("chief", "disable-user", ALICE, ""),
        ("chief", "enable-user", ALICE, ""),
    ]


async def test_account_is_deleted_with_its_archive_if_its_jid_is_typed(
    services: Services, chief: OperatorBrowser
) -> None:
    await services.accounts.admin.register(ALICE, PASSWORD)
    await Talk(services.writer).take(to_bob("hello", "m1"), to_bob("again", "m2"))

    asked = await chief.get(f"accounts/{ALICE}/delete")
    assert "This deletes the account and 2 messages" in asked.text
    page = await chief.post(f"accounts/{ALICE}/delete", jid=BOB)
    assert (page.status, "Nothing is deleted" in page.text) == (400, True)
    assert await may_log_in(services, ALICE)

    page = await chief.post(f"accounts/{ALICE}/delete", jid=f" {ALICE} ")
    assert page.path == f"/operators/accounts?host={HOST}&done=deleted"
    assert "The account is deleted, with its archive." in page.text
    assert not await may_log_in(services, ALICE)
    await services.writer.wait_durable()
    assert await services.storage.archive.count(ALICE, ANY) == 0
    assert await services.storage.archive.count(BOB, ANY) == 2
    assert await orders(services) == [
        ("chief", "preview", ALICE, "delete-user"),
        ("chief", "delete-user", ALICE, ""),
    ]


async def test_account_under_a_hold_is_not_deleted(
    services: Services, chief: OperatorBrowser
) -> None:
    await services.accounts.admin.register(ALICE, PASSWORD)
    await services.administration.holds.set(Hold(subject=HOST, reason="case 7", by="x", at=1))

    for path in (f"accounts/{ALICE}", f"accounts/{ALICE}/delete"):
        page = await chief.get(path)
        assert "so the account cannot be deleted" in page.text
        assert f"/operators/accounts/{ALICE}/delete" not in page.links
    page = await chief.post(f"accounts/{ALICE}/delete", jid=ALICE)

    assert page.status == 409
    assert await may_log_in(services, ALICE)


async def test_unknown_account_is_404_on_every_page(chief: OperatorBrowser) -> None:
    pages = [
        await chief.get(f"accounts/{ALICE}"),
        await chief.get(f"accounts/{ALICE}/delete"),
        await chief.post(f"accounts/{ALICE}/password", **BOTH),
        await chief.post(f"accounts/{ALICE}/disable", confirm="true"),
        await chief.post(f"accounts/{ALICE}/enable"),
    ]

    assert [page.status for page in pages] == [404] * len(pages)
    assert {"There is no such account." in page.text for page in pages} == {True}
    assert (await chief.get("accounts/nobody")).status == 404
    foreign = await chief.post("accounts/alice@elsewhere.example/password", **BOTH)
    assert (foreign.status, "is not served here" in foreign.text) == (404, True)
    assert (await chief.get("accounts", host="elsewhere.example")).status == 404


async def test_passwords_are_in_no_page_no_address_no_log_and_no_audit_entry(
    services: Services, chief: OperatorBrowser, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    pages = [
        await chief.post("accounts", name="alice", **BOTH),
        await chief.post("accounts", name="alice", **BOTH),
        await chief.post("accounts", name="@", **BOTH),
        await chief.post("accounts", name="bob", nonsense=PASSWORD, **BOTH),
        await chief.post(f"accounts/{ALICE}/password", **BOTH),
        await chief.post(f"accounts/{ALICE}/password", password=PASSWORD, again=f"{PASSWORD}!"),
        await chief.post(f"accounts/{BOB}/password", **BOTH),
        await chief.get("audit"),
    ]

    assert [page.status for page in pages] == [200, 409, 400, 400, 200, 400, 404, 200]
    shown = "".join(page.html + page.path for page in pages) + caplog.text
    assert PASSWORD not in shown
    assert PASSWORD.replace(" ", "+") not in shown


async def test_accounts_elsewhere_are_explained() -> None:
    refusal = "Accounts live in ejabberd: use ejabberdctl register."
    source = AccountSource(
        authenticator=UnknownAccounts(refusal), administered=None, refusal=refusal
    )
    async with open_services(accounts=source) as services:
        await Talk(services.writer).take(to_bob("hello", "m1"))
        async with operator_browser(services, CHIEF) as chief:
            page = await chief.get("accounts")
            account = await chief.get(f"accounts/{ALICE}")
            archive = await chief.get(f"archives/{ALICE}")

    assert (page.status, account.status) == (200, 409)
    assert f"There is no list of accounts here. {refusal}" in page.text
    assert refusal in account.text
    # No form but the one to sign out.
    assert [form["action"] for form in page.elements("form")] == ["/operators/sign-out"]
    assert f"/operators/accounts/{ALICE}" not in archive.links


async def test_archive_of_a_user_leads_to_the_account(
    services: Services, chief: OperatorBrowser
) -> None:
    await Talk(services.writer).take(to_bob("hello", "m1"))

    assert f"/operators/accounts/{ALICE}" in (await chief.get(f"archives/{ALICE}")).links


async def test_ejabberd_that_gives_no_sense_is_503_and_the_form_stays() -> None:
    async with (
        fake_accounts('"nonsense"') as accounts,
        open_services(accounts=source_of(accounts)) as services,
        operator_browser(services, CHIEF) as chief,
    ):
        page = await chief.get("accounts")

    assert page.status == 503
    assert "ejabberd does not list its accounts." in page.text
    assert "has 0 accounts" not in page.text
    assert "/operators/accounts" in [
        form["action"] for form in page.elements("form") if form["method"] == "post"
    ]


async def test_accounts_of_ejabberd_have_no_state_in_the_list() -> None:
    async with (
        fake_accounts('["alice"]') as accounts,
        open_services(accounts=source_of(accounts)) as services,
        operator_browser(services, CHIEF) as chief,
    ):
        page = await chief.get("accounts")

    assert accounts_of(page) == [ALICE]
    assert "open an account to see it" in page.text
    assert "State" not in page.text
