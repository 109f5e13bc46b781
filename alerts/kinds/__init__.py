"""The catalogue's alerts, one file each. Adding one: its file here, a line in alerts.catalogue, and its runbook."""
