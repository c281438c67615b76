"""The rules: what is stored, who may read, how pages are cut. No XMPP library, no HTTP, no SQL."""
