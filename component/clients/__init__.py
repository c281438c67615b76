"""Clients of other services: ejabberd's API and logins, a running Muniment; safe addresses."""
