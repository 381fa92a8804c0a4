"""One small HTTP client for meters that answer on a page: bounded in time and size, with errors in a sentence."""

from __future__ import annotations

import base64
import socket
import threading
import zlib
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection, IncompleteRead
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urlsplit

from whitestat.core.errors import CollectorError

OCTETS_MAX = 16 * 1024 * 1024
"""A page of ten thousand hosts has 3 MB."""
TIMEOUT_S = 10.0
NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_PIECE = 65_536
_GZIP = 31
"""zlib's word for a gzip header in front (RFC 1952)."""


class HttpError(CollectorError):
    """No answer that can be read; the message names the address without any user name or password."""


class Reply(NamedTuple):
    """An answer with its body decoded (RFC 9110, section 8.4); names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text; what is not ASCII or UTF-8 becomes question marks."""
        return self.body.decode("utf-8", "replace")


class Http:
    """Asks one server under `url`, whose path goes before every other; a new connection for each question.

    `timeout_s` bounds a whole exchange, not a single read: a server that sends an octet a second is cut off.
    Blocks for as long, so it belongs in a thread of its own.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = TIMEOUT_S,
        octets_max: int = OCTETS_MAX,
        login: tuple[str, str] | None = None,
    ) -> None:
        parts = urlsplit(url)
        self.url = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
        self._https = parts.scheme == "https"
        self._host, self._port = parts.hostname or "", parts.port
        self._path = parts.path.rstrip("/")
        self._timeout_s = timeout_s
        self._octets_max = octets_max
        # Capital letters matter: darkstat looks for the header as it is written here.
        self._headers = {"Accept-Encoding": "gzip", "Connection": "close", "User-Agent": "WhiteStat"}
        if login:
            secret = base64.b64encode(":".join(login).encode()).decode()
            self._headers["Authorization"] = f"Basic {secret}"  # RFC 7617
        self._socket: socket.socket | None = None

    def get(self, path: str) -> Reply:
        """The answer to GET, whatever its status; HttpError when there is none, or none that can be read."""
        return self.ask(path)

    def ask(self, path: str, body: bytes | None = None, headers: Mapping[str, str] = NO_HEADERS) -> Reply:
        """The answer to GET, or to POST where there is a body; `headers` go out as they are written."""
        connection = (HTTPSConnection if self._https else HTTPConnection)(
            self._host, self._port, timeout=self._timeout_s
        )
        late = threading.Event()

        def cut() -> None:
            late.set()
            self.abort()

        timer = threading.Timer(self._timeout_s, cut)
        timer.daemon = True
        try:
            connection.connect()
            self._socket = connection.sock
            timer.start()
            method = "GET" if body is None else "POST"
            connection.request(method, self._path + path, body, headers={**self._headers, **headers})
            with connection.getresponse() as response:
                return self._reply(response)
        except (OSError, HTTPException, ValueError, zlib.error) as error:
            slow = late.is_set() or isinstance(error, TimeoutError)
            what = f"no whole answer in {self._timeout_s:g} s" if slow else _reason(error)
            raise HttpError(f"{self.url}: {what}") from None
        finally:
            timer.cancel()
            self._socket = None
            connection.close()

    def abort(self) -> None:
        """End an exchange that another thread waits for; of no consequence when there is none."""
        if connection := self._socket:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _reply(self, response: HTTPResponse) -> Reply:
        headers: dict[str, str] = {}
        for name, value in response.getheaders():  # one list, whatever they came in (RFC 9110, section 5.2)
            present = headers.get(name.lower())
            headers[name.lower()] = value if present is None else f"{present}, {value}"
        coding = headers.get("content-encoding", "identity").strip().lower()
        if coding not in ("identity", "gzip", "x-gzip", ""):
            raise ValueError(f"answers in the coding {coding[:20]!r}")
        unzip = zlib.decompressobj(_GZIP) if "gzip" in coding else None
        body = bytearray()
        while piece := response.read(_PIECE):
            # One octet more than may be is decoded, so that too much is told from just enough.
            room = self._octets_max + 1 - len(body)
            body += unzip.decompress(piece, room) if unzip else piece
            if len(body) > self._octets_max:
                raise ValueError(f"the answer has more than {self._octets_max} octets")
        if response.length:  # a read of pieces does not tell that the last one is missing
            raise IncompleteRead(bytes(body), response.length)
        if unzip and not unzip.eof:
            raise ValueError("the compressed answer is cut off")
        return Reply(response.status, headers, bytes(body))


def _reason(error: Exception) -> str:
    """Why there is no answer, in lower case; control characters of the server's do not get through."""
    if isinstance(error, IncompleteRead):
        return "the answer is cut off"
    if isinstance(error, zlib.error):
        return "the compressed answer is damaged"
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    if isinstance(error, HTTPException):
        return f"not an answer in HTTP ({type(error).__name__})"
    return str(error)
