"""A darkstat with the tables and pages of 3.0.719, as recorded in the fixtures."""

from __future__ import annotations

from tests.support.http_server import NOT_FOUND, page

FRONT = '<b>Measuring for</b> <span id="rf">1 day</span><b>, since</b> 2026-11-20 05:04:29 IST+0530<b>.</b><br>'
NAMES = ("IP", "Hostname", "MAC Address", "In", "Out", "Total", "Last seen")
HEADER = f"<tr>{''.join(f'<th>{name}</th>' for name in NAMES)}</tr>"
Row = tuple[str, str, int, int]


class Peer:
    """A darkstat that shows the rows it is given, behind a front page that tells no totals."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows
        self.front: bytes = page(FRONT)
        self.metrics = NOT_FOUND
        self.names: dict[str, str] = {}

    def __call__(self, path: str) -> bytes:
        if path == "/metrics":
            return self.metrics
        if path == "/":
            return self.front
        cells = "".join(
            f'<tr><td><a href="./{ip}/">{ip}</a></td><td>{self.names.get(ip, "")}</td>'
            f'<td><tt>{mac}</tt></td><td class="num">{i:,}</td>'
            f'<td class="num">{o:,}</td><td class="num">{i + o:,}</td><td class="num">1 sec</td></tr>'
            for ip, mac, i, o in self.rows
        )
        return page(f"<html><body><table>{HEADER}{cells}</table></body></html>")


def totals(octets: int, packets: int, dropped: int, captured: int | None = None) -> bytes:
    """A front page that tells what it has seen of all traffic."""
    spans = f'<span id="tb">{octets:,}</span> <span id="tp">{packets:,}</span> <span id="pd">{dropped:,}</span>'
    more = "" if captured is None else f' (<span id="pc">{captured:,}</span> <b>captured,</b>'
    return page(FRONT + spans + more)
