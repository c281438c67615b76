"""Clients of other services: ejabberd's API and logins, and a running Muniment."""
