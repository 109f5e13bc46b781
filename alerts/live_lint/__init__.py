"""What the linter pint needs live data for: asked of a running Prometheus about each rule, after it was published."""
