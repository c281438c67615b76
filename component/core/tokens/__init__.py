"""Sign-ins of users: access tokens, refresh tokens, and how they are revoked."""
