"""What operators have done by a command: each is defined once, for every way of giving it."""
