"""Senders of push: signed requests to webhooks, and encrypted ones to push services."""
