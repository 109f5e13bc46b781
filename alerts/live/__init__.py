"""The live part of a runbook page: what to ask Prometheus, in bounded time, and the answers in words and charts."""
