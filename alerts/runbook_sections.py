"""The sections that every runbook has, whoever writes it: a model's own text and a custom alert's alike. Pure."""

import re

import promql_parser
from markdown_it import MarkdownIt

SECTIONS = ("Meaning", "Impact", "Diagnosis", "Mitigation")
PROMQL = "promql"  # the language of a fenced block that is a live query
PLACEHOLDER = re.compile(r'"?\{\{\s*(\w+)\s*\}\}"?')
_MARKDOWN = MarkdownIt("commonmark")


def sections_error(body: str) -> str:
    """What is wrong with the runbook, and the remedy; empty where each section says something and each query parses."""
    filled = _filled(body)
    for section in SECTIONS:
        if section not in filled:
            return f"The section {section} is missing: add a line `## {section}`."
        if not filled[section]:
            return f"The section {section} is empty: whoever is woken reads it."
    return _query_error(body)


def _query_error(body: str) -> str:
    """Which live query can't be PromQL, whatever its placeholders become: it is met at night otherwise."""
    for token in _MARKDOWN.parse(body):
        if token.type == "fence" and token.info.strip() == PROMQL and token.level == 0:
            try:
                promql_parser.parse(PLACEHOLDER.sub('"x"', token.content))
            except ValueError as error:
                line = token.map[0] + 1 if token.map else 0
                return f"The query of line {line} is no PromQL: {error}"
    return ""


def _filled(body: str) -> dict[str, bool]:
    """Each second-level heading, as Markdown reads it, and whether anything stands under it."""
    filled: dict[str, bool] = {}
    title, in_title = "", False
    for token in _MARKDOWN.parse(body):
        if token.type in ("heading_open", "heading_close") and token.tag == "h2":
            in_title = token.type == "heading_open"
        elif in_title:
            title = token.content.strip()
            filled.setdefault(title, False)
        elif title and token.content.strip():
            filled[title] = True
    return filled
