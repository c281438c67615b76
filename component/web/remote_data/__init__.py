"""The Remote Data API: logins and users, rosters, archives, waiting stanzas."""
