"""The REST gateway, whose paths and answers are those of REST-XMPP-Client."""
