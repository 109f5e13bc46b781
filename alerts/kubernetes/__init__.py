"""The bundle as objects of the Prometheus operator."""
