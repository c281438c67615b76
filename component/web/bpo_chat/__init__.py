"""The API of bpo-chat-api, over chat: {bpo_chat}/users, {bpo_chat}/chats."""
