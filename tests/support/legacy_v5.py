"""Reader of the HTML tables of WhiteStat 5."""

from __future__ import annotations

from html.parser import HTMLParser


class Tables(HTMLParser):
    """Excel's and Power BI's web query: the cells of the page's only table; whatever else is in it is a fault."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tables = 0
        self._cell = False
        self.feed(text)
        self.close()
        assert self.tables == 1

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in {"table", "thead", "tbody", "tr", "th", "td"}
        assert "rowspan" not in dict(attrs) and "colspan" not in dict(attrs)
        self.tables += tag == "table"
        self._cell = tag in {"th", "td"}
        if tag == "tr":
            self.rows.append([])
        if self._cell:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._cell = False

    def handle_data(self, data: str) -> None:
        if self._cell:
            self.rows[-1][-1] += data
