"""Authentication over HTTP: secrets, access tokens, trusted networks, and a limit on guesses."""
