"""What the composition adds to the REST API; each room has its own beside it."""
