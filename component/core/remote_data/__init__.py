"""The Remote Data contract: archives, posts, and stanzas that wait for offline users."""
