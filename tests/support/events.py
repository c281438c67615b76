"""A client of the events API that knows an account by snapshots and events alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Replica:
    """The state of an account, as a client keeps it."""

    cursor: str | int = 0
    contacts: dict[str, Any] = field(default_factory=dict)
    presences: dict[str, Any] = field(default_factory=dict)
    requests: dict[str, Any] = field(default_factory=dict)
    conversations: dict[str, Any] = field(default_factory=dict)
    event_ids: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, snapshot: dict[str, Any]) -> Replica:
        """Return the state of a snapshot."""
        return cls(
            cursor=snapshot["cursor"],
            contacts={item["jid"]: item for item in snapshot["contacts"] or ()},
            presences={item["jid"]: item for item in snapshot["presences"]},
            requests={item["jid"]: item for item in snapshot["requests"]},
            conversations={item["peer"]: item for item in snapshot["conversations"]},
        )

    @property
    def state(self) -> dict[str, dict[str, Any]]:
        """What a snapshot has too."""
        return {
            "contacts": self.contacts,
            "presences": self.presences,
            "requests": self.requests,
            "conversations": self.conversations,
        }

    def apply(self, page: dict[str, Any]) -> None:
        """Take a page of events."""
        for event in page["events"]:
            self.event_ids.append(event["event_id"])
            if (contact := event["contact"]) is not None:
                self.contacts.pop(contact["jid"], None)
                if contact["subscription"] != "remove":
                    self.contacts[contact["jid"]] = contact
            if (presence := event["presence"]) is not None:
                self.presences.pop(presence["jid"], None)
                if presence["available"]:
                    self.presences[presence["jid"]] = presence
            if (request := event["request"]) is not None:
                self.requests.pop(request["jid"], None)
                if request["waits"]:
                    self.requests[request["jid"]] = request
            if (conversation := event["conversation"]) is not None:
                self.conversations[conversation["peer"]] = conversation
        self.cursor = page["cursor"]
