"""The agent: keeps the Prometheus and the Alertmanager of another host on the published release. No Django here."""
