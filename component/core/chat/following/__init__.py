"""Following chat live: places, readers, signals that nobody stores, typing and presence."""
