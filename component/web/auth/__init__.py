"""Who calls over HTTP: keys, roles, trusted networks, and slowing of wrong secrets."""
