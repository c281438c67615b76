"""The operator's own module, whose functions replace parts of Muniment."""
