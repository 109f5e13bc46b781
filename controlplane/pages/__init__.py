"""The pages that join the rooms: the fleet, a model, releases and changes."""
