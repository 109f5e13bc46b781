"""Starts, watches and stops real servers: for `script/up` and for the tests alike. Knows no Django."""
