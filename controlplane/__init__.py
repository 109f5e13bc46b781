"""The composition. Nothing is loaded with it: parts of it run where there is no Django (stack, agent)."""
