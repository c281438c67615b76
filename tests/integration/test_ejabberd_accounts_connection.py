"""Requests to ejabberd for its accounts: encryption, permission and time limits."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from support.ejabberd import Account, Ejabberd
from support.ports import LOOPBACK
from support.releases import Release

from component.clients.ejabberd_accounts import EjabberdAccounts
from component.clients.ejabberd_http import EjabberdApi
from component.clients.ejabberd_login import EjabberdLogins
from component.core.errors import Overloaded, ServerUnanswered

#: TLS and the API of ejabberd differ between releases.
pytestmark = pytest.mark.every_ejabberd

#: A name of this machine that does not count as loopback; only "localhost" in lower case does.
REMOTE = "LOCALHOST"

ANN = Account("ann", "one.test", "pencil")
ANN_ELSEWHERE = Account("ann", "two.test", "pencil")
ASKER = Account("muniment", "one.test", "s3cret")

SETTING = """\
auth_method: internal
certfiles:
  - "{certificate}"
api_permissions:
  "accounts for Muniment":
    from: mod_http_api
    who: {{user: muniment@one.test}}
    what: [check_password, check_account]
"""

#: Since 26.07 an account also needs this access rule for commands that name a host.
CONFIGURE = """\
access_rules:
  configure:
    allow:
      user: muniment@one.test"""

#: ejabberd waits 10 seconds for its external authentication, so a refusal must come earlier.
SECONDS = 9.0


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The path of a self-signed certificate for the first host."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, ANN.host)])
    not_before = datetime.now(UTC) - timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_before + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(ANN.host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    kind = serialization.PrivateFormat.PKCS8
    path.write_bytes(key.private_bytes(pem, kind, plain) + certificate.public_bytes(pem))
    return path


@pytest.fixture(scope="module")
def ejabberd(
    tmp_path_factory: pytest.TempPathFactory, certificate: Path, release: Release
) -> Iterator[Ejabberd]:
    changes = {
        "auth_method: internal": SETTING.format(certificate=certificate),
        "/ws: ejabberd_http_ws": "/api: mod_http_api",
        "access: c2s": "access: c2s\n    starttls_required: true",
        "mod_adhoc: {}": "mod_adhoc: {}\n  mod_admin_extra: {}",
    }
    if release.version >= "26":
        changes["access_rules:"] = CONFIGURE
    with Ejabberd(tmp_path_factory.mktemp("ejabberd"), release, changes=changes) as running:
        running.register(ANN, ANN_ELSEWHERE, ASKER)
        yield running


@pytest.fixture
def logins(
    ejabberd: Ejabberd, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> EjabberdLogins:
    """Logins at a remote server whose certificate is trusted."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    return EjabberdLogins(REMOTE, ejabberd.ports.c2s)


async def test_login_on_loopback_succeeds_if_starttls_is_required(ejabberd: Ejabberd) -> None:
    logins_on_loopback = EjabberdLogins(LOOPBACK, ejabberd.ports.c2s)

    assert await logins_on_loopback.authenticate(ANN.jid, ANN.password)
    assert not await logins_on_loopback.authenticate(ANN.jid, "crayon")


async def test_login_with_certificate_of_the_host_succeeds(
    logins: EjabberdLogins,
) -> None:
    assert await logins.authenticate(ANN.jid, ANN.password)
    assert not await logins.authenticate(ANN.jid, "crayon")


async def test_certificate_of_another_host_is_refused(
    logins: EjabberdLogins,
) -> None:
    with pytest.raises(Overloaded):
        await logins.authenticate(ANN_ELSEWHERE.jid, ANN_ELSEWHERE.password)


async def test_untrusted_certificate_is_refused(
    ejabberd: Ejabberd,
) -> None:
    with pytest.raises(Overloaded):
        await EjabberdLogins(REMOTE, ejabberd.ports.c2s).authenticate(ANN.jid, ANN.password)


async def test_api_answers_only_the_account_with_permission(ejabberd: Ejabberd) -> None:
    url = f"http://{LOOPBACK}:{ejabberd.ports.http}/api"
    async with EjabberdApi(url, ASKER.jid, ASKER.password) as api:
        assert await EjabberdAccounts(api).authenticate(ANN.jid, ANN.password)
        assert not await EjabberdAccounts(api).authenticate(ANN.jid, "crayon")
    async with EjabberdApi(url, ANN.jid, ANN.password) as api:
        with pytest.raises(Overloaded):
            await EjabberdAccounts(api).exists(ASKER.jid)


async def test_request_to_frozen_server_times_out(ejabberd: Ejabberd) -> None:
    logins_on_loopback = EjabberdLogins(LOOPBACK, ejabberd.ports.c2s)
    url = f"http://{LOOPBACK}:{ejabberd.ports.http}/api"
    async with EjabberdApi(url, ASKER.jid, ASKER.password) as api:
        sources = (logins_on_loopback, EjabberdAccounts(api))
        ejabberd.pause()
        try:
            async with asyncio.timeout(SECONDS):
                results = await asyncio.gather(
                    *(source.authenticate(ANN.jid, ANN.password) for source in sources),
                    return_exceptions=True,
                )
        finally:
            ejabberd.resume()

        assert [type(result) for result in results] == [Overloaded, ServerUnanswered]
        assert [await source.authenticate(ANN.jid, ANN.password) for source in sources] == [
            True,
            True,
        ]
