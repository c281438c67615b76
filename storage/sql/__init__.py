"""The stores over a database that speaks SQL, written once for all engines."""
