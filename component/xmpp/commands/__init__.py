"""Ad-hoc commands (XEP-0050)."""
