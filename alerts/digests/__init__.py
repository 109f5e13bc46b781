"""Ticket digests: what a team was not told of while it was away."""
