"""Ways to tell a team, one file each. Adding one: its file here, a line in alerts.receivers.slices, and its kind in
the registry's Receiver."""
