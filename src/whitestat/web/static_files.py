"""Files of the page: read once, compressed once, served from memory."""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from whitestat.web.responses import has_tag
from whitestat.web.route import RequestContext

_MEDIA_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "mjs": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
"""Media types by file name extension; other files of the folder (licences, notes) are not served."""


class StaticFile(NamedTuple):
    """A file, stored compressed; both forms have entity tags of their own (RFC 9110, section 8.8.3.3)."""

    media_type: str
    packed: bytes
    tag: str

    @classmethod
    def of(cls, content: bytes, media_type: str) -> StaticFile:
        packed = gzip.compress(content, 9, mtime=0)
        return cls(media_type, packed, hashlib.sha256(content).hexdigest()[:20])

    @property
    def plain(self) -> bytes:
        return gzip.decompress(self.packed)

    def response(self, request: Request) -> Response:
        """Return the file, compressed if the browser accepts that, or 304 if the browser has it."""
        packs = _takes_gzip(request.headers.get("accept-encoding", ""))
        tag = f'"{self.tag}-gz"' if packs else f'"{self.tag}"'
        headers = {"etag": tag, "cache-control": "no-cache", "vary": "accept-encoding"}
        if has_tag(request.headers.get("if-none-match", ""), tag):
            return Response(None, 304, headers)
        if packs:
            headers["content-encoding"] = "gzip"
        return Response(self.packed if packs else self.plain, 200, headers, self.media_type)


class StaticFiles:
    """The files of `web/static` by path; `page` is `index.html` with the version filled in."""

    def __init__(self, version: str) -> None:
        self._files = {path: StaticFile.of(*file) for path, file in _read(Path(__file__).parent / "static")}
        page = self._files.pop("index.html").plain.replace(b"{{version}}", version.encode())
        self.page = StaticFile.of(page, _MEDIA_TYPES["html"])

    def response(self, request: Request) -> Response:
        file = self._files.get(request.path_params["path"])
        if not file:
            raise HTTPException(404)
        return file.response(request)


async def page(context: RequestContext) -> Response:
    """Return the page."""
    static: StaticFiles = context.request.app.state.static
    return static.page.response(context.request)


async def file(context: RequestContext) -> Response:
    """Return a file of the page."""
    static: StaticFiles = context.request.app.state.static
    return static.response(context.request)


def import_map_hash(page: bytes) -> str:
    """Return the CSP source of the page's one inline script, `sha256-...` (CSP 3, section 2.3.1)."""
    script = page.partition(b'<script type="importmap">')[2].partition(b"</script>")[0]
    digest = hashlib.sha256(script).digest()
    return "sha256-" + base64.b64encode(digest).decode()


def _read(folder: Path, prefix: str = "") -> Iterator[tuple[str, tuple[bytes, str]]]:
    for entry in folder.iterdir():
        kind = entry.name.rpartition(".")[2]
        if entry.is_dir():
            yield from _read(entry, f"{prefix}{entry.name}/")
        elif kind in _MEDIA_TYPES:
            yield prefix + entry.name, (entry.read_bytes(), _MEDIA_TYPES[kind])


def _takes_gzip(accepted: str) -> bool:
    """Return whether an Accept-Encoding accepts gzip (RFC 9110, section 12.5.3)."""
    for item in accepted.lower().split(","):
        name, _, weight = item.strip().partition(";")
        if name.strip() == "gzip":
            return weight.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False
