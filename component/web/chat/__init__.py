"""The chat API of users: {prefix}/v1/chat."""
