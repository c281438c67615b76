"""Read an archive with nbxmpp, the library of Gajim, and print the messages as JSON.

The system's Python runs this program, because it has nbxmpp (Debian: python3-nbxmpp). Standard
input has the orders as JSON: domain, username, password, port; then archive and max, or
preferences (default, always, never), which the program sets and reads instead.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from gi.repository import GLib
from nbxmpp.client import Client
from nbxmpp.const import ConnectionProtocol, ConnectionType
from nbxmpp.protocol import JID
from nbxmpp.structs import StanzaHandler
from nbxmpp.task import Task

SECONDS = 40


class Reader:
    """Logs in, reads all pages or sets preferences, and logs out."""

    def __init__(self, orders: dict[str, Any]) -> None:
        self._orders = orders
        self.loop = GLib.MainLoop()
        self.outcome: dict[str, Any] = {"error": f"nothing after {SECONDS} s"}
        self._pages = 0
        self._messages: list[dict[str, str | None]] = []
        self._client = client = Client(log_context="archive reader")
        client.set_domain(orders["domain"])
        client.set_username(orders["username"])
        client.set_password(orders["password"])
        client.set_resource("nbxmpp")
        address = f"127.0.0.1:{orders['port']}"
        client.set_custom_host(address, ConnectionProtocol.TCP, ConnectionType.PLAIN)
        client.set_connection_types([ConnectionType.PLAIN])
        client.set_protocols([ConnectionProtocol.TCP])
        client.set_mechs({"PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256"})
        client.subscribe("connected", self._connected)
        for trouble in ("connection-failed", "disconnected"):
            client.subscribe(trouble, self._disconnected)
        client.register_handler(StanzaHandler(name="message", callback=self._message, priority=60))

    def run(self) -> dict[str, Any]:
        """Return the messages, or an error."""
        GLib.timeout_add_seconds(SECONDS, self.loop.quit)
        self._client.connect()
        self.loop.run()
        return self.outcome

    def _connected(self, *_: object) -> None:
        if "preferences" in self._orders:
            preferences = self._orders["preferences"]
            mam = self._client.get_module("MAM")
            mam.set_preferences(**preferences, callback=self._preferred)
        else:
            self._ask(None)

    def _preferred(self, task: Task) -> None:
        try:
            task.finish()
        except Exception as error:
            self._leave({"error": repr(error)})
            return
        self._client.get_module("MAM").request_preferences(callback=self._note_preferences)

    def _note_preferences(self, task: Task) -> None:
        try:
            preferences = task.finish()
        except Exception as error:
            self._leave({"error": repr(error)})
            return
        self._leave(
            {
                "default": preferences.default,
                "always": sorted(map(str, preferences.always)),
                "never": sorted(map(str, preferences.never)),
            }
        )

    def _ask(self, after: str | None) -> None:
        self._client.get_module("MAM").make_query(
            JID.from_string(self._orders["archive"]),
            queryid="q",
            after=after,
            max_=self._orders["max"],
            callback=self._answered,
        )

    def _answered(self, task: Task) -> None:
        try:
            answer = task.finish()
        except Exception as error:
            self._leave({"error": repr(error)})
            return
        self._pages += 1
        if answer.complete:
            self._leave({"pages": self._pages, "messages": self._messages})
        else:
            self._ask(answer.rsm.last)

    def _message(self, _client: Client, _stanza: object, message: Any) -> None:
        if message.is_mam_message:
            self._messages.append(
                {
                    "id": message.mam.id,
                    "from": str(message.from_),
                    "to": str(message.to),
                    "body": message.body,
                }
            )

    def _leave(self, outcome: dict[str, Any]) -> None:
        self.outcome = outcome
        self._client.disconnect()

    def _disconnected(self, *_: object) -> None:
        if self._client.has_error and "error" in self.outcome:
            self.outcome = {"error": str(self._client.get_error())}
        self.loop.quit()


if __name__ == "__main__":
    json.dump(Reader(json.load(sys.stdin)).run(), sys.stdout)
