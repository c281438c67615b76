"""Sign-in of users: {prefix}/v1/tokens."""
