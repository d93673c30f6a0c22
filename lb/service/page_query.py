"""The filters of the status page, read from and written to the query string of its URL."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

# Longer values are truncated; no name of a farm or a backend, and no address, is longer.
_LONGEST = 64
_LAST_PAGE = 100_000


@dataclass(frozen=True, slots=True)
class PageQuery:
    """The filters: a text in names and addresses, one farm, only trouble; the page, and whether it refreshes itself.

    An invalid value is ignored.
    """

    text: str = ""
    farm: str = ""
    only_trouble: bool = False
    page: int = 1
    refresh: bool = True

    @classmethod
    def parse(cls, raw: str) -> PageQuery:
        """Parses the query string of a request."""
        try:
            found = dict(parse_qsl(raw, max_num_fields=20))
        except ValueError:
            return cls()
        number = found.get("page", "")
        page = int(number) if number.isascii() and number.isdecimal() and len(number) <= len(str(_LAST_PAGE)) else 1
        return cls(
            text=found.get("q", "").strip()[:_LONGEST],
            farm=found.get("farm", "")[:_LONGEST],
            only_trouble=found.get("show") == "trouble",
            page=min(max(1, page), _LAST_PAGE),
            refresh=found.get("refresh") != "off",
        )

    @property
    def fields(self) -> dict[str, str]:
        """The fields of the query string, without those that have their default."""
        found = {
            "q": self.text,
            "farm": self.farm,
            "show": "trouble" if self.only_trouble else "",
            "page": str(self.page) if self.page > 1 else "",
            "refresh": "" if self.refresh else "off",
        }
        return {name: value for name, value in found.items() if value}

    @property
    def link(self) -> str:
        """The path with the query string, percent-encoded but not yet escaped for HTML."""
        found = urlencode(self.fields, errors="replace")
        return f"/?{found}" if found else "/"
