"""What the running Prometheus is asked about a release, once it is published."""
