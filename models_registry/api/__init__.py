"""The registry over REST: one file per thing. Rules live in edits, removal, traffic and permissions, not here."""
