"""Names and avatars of people in chat: vCards, user avatars, and images made safe."""
