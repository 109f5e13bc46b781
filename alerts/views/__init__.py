"""The pages of the on-call, and the address that Alertmanager posts to."""
