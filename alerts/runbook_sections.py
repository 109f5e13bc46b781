"""The sections that every runbook has, whoever writes it: a model's own text and a custom alert's alike. Pure."""

from markdown_it import MarkdownIt

SECTIONS = ("Meaning", "Impact", "Diagnosis", "Mitigation")
_MARKDOWN = MarkdownIt("commonmark")


def sections_error(body: str) -> str:
    """What is wrong with the runbook's sections, and the remedy; empty where each is there and says something."""
    filled = _filled(body)
    for section in SECTIONS:
        if section not in filled:
            return f"The section {section} is missing: add a line `## {section}`."
        if not filled[section]:
            return f"The section {section} is empty: whoever is woken reads it."
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
