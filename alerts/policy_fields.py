"""Checks of a policy's fields against its alert kind."""

from collections.abc import Mapping


def check_policy(
    alert: str,
    *,
    scoped: bool,
    thresholds: Mapping[str, float],
    window_seconds: int | None,
    for_seconds: int | None,
) -> dict[str, str]:
    """Field -> what is wrong with it and the remedy; empty where all is well."""
    return {}
