"""Messages leave: the oldest, single ones, whole archives, and their traces in the files."""
