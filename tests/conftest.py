"""Fixtures for all tests: real servers, a real browser, a home of one's own."""

pytest_plugins = ["tests.fixtures.servers", "tests.fixtures.browser", "tests.fixtures.home", "tests.fixtures.registry"]
