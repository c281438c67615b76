"""The REST gateway: sessions, and contacts and messages as REST-XMPP-Client has them."""
