"""Lists in pages: which page is asked for, and the address of the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, QueryDict

PER_PAGE = 25


@dataclass(frozen=True)
class Paged:
    """A page of rows, and the query of the address with everything but the page's number."""

    page: Page
    query: str

    @property
    def numbers(self) -> list[int | str]:
        """Page numbers with gaps, as a pager shows them."""
        return list(self.page.paginator.get_elided_page_range(self.page.number, on_each_side=1, on_ends=1))


def paged(request: HttpRequest, rows: QuerySet[Any] | Sequence[Any], per_page: int = PER_PAGE) -> Paged:
    """The page that `?page=` asks for; the nearest where it doesn't exist."""
    page = Paginator(rows, per_page).get_page(request.GET.get("page"))
    rest: QueryDict = request.GET.copy()
    rest.pop("page", None)
    return Paged(page, rest.urlencode())
