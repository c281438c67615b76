"""Who calls over HTTP: secrets, trusted networks, and slowing of wrong secrets."""
