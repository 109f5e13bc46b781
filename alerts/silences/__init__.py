"""Silences: made from a runbook page, listed with their owners, reminded of before they end."""
