"""Ways to tell a team, one file each: how Alertmanager is told of it, and how Plumbline delivers a digest there. Adding
one: its file here, two lines in alerts.receivers.slices, and its kind in the registry's Receiver."""
