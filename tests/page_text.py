"""What a person reads on a page."""

import re
from html import unescape

_UNREAD = re.compile(r"(?s)<(script|style|title|desc).*?</\1>|<[^>]+>")


def text_of(html: str) -> str:
    """The text of the page's own part (without the admin's frame), its white space folded."""
    own = html.split('<div class="pl">', 1)[-1]
    return re.sub(r"\s+", " ", unescape(_UNREAD.sub(" ", own))).strip()
