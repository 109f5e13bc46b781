"""A nudge that fails, as one does while Redis is down."""

CALLS: list[bool] = []


def wake() -> None:
    """Raises what a broker that is gone raises."""
    CALLS.append(True)
    raise ConnectionError("no broker")
