"""Check: mod_mam stores the messages of users a second time only if gaps are filled from it."""

from __future__ import annotations

from component.core.doctor.facts import ServerFacts
from component.core.doctor.finding import Finding, Severity, named, ok, skipped

ID = "mod-mam"


def check(facts: ServerFacts) -> Finding:
    """Return the finding. A mod_mam that archives rooms only looks the same from here."""
    loaded = [host for host in facts.served if host.has_mod_mam]
    if facts.needs.backfill:
        lacking = [host for host in facts.served if host.has_mod_mam is False]
        if lacking:
            return Finding(
                id=ID,
                severity=Severity.ERROR,
                seen=f"{named(lacking)}: mod_mam is not loaded, so nothing keeps what passes "
                "while Muniment is not connected (backfill.source)",
                change="Load mod_mam beside Muniment, and let it archive everything",
                options={"modules": {"mod_mam": {"default": "always", "db_type": "sql"}}},
            )
    elif loaded:
        return Finding(
            id=ID,
            severity=Severity.WARNING,
            seen=f"{named(loaded)}: mod_mam is loaded beside Muniment; it stores messages a "
            "second time, and may answer archive queries in the place of Muniment",
            change="Remove mod_mam from ejabberd.yml; if rooms need it, let it archive nothing of "
            f'users, and put "{ID}" into xmpp.ignored_checks',
            options={"modules": {"mod_mam": {"default": "never"}}},
        )
    unknown = [host for host in facts.served if host.has_mod_mam is None]
    if unknown:
        return skipped(
            ID,
            f"{named(unknown)}: no answer to a query for features; ejabberd 24.10 to 25.02 drop "
            "it unless mod_privilege grants it, and there is another virtual host",
        )
    state = "loaded, and fills gaps" if facts.needs.backfill else "not loaded"
    return ok(ID, f"{named(facts.served)}: mod_mam is {state}")
