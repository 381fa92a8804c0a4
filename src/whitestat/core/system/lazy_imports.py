"""Keeps out of the service what others import and few need: OpenSSL without TLS, command lines, servers never begun."""

from __future__ import annotations

import http
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

_KNOWN_OF_SSL: Mapping[str, object] = {
    "PROTOCOL_TLS_CLIENT": 16,
    "PROTOCOL_TLS_SERVER": 17,
    "CERT_NONE": 0,
    "SSLContext": type("SSLContext", (), {}),
    "TLSVersion": type("TLSVersion", (), {}),
}
"""Names that uvicorn, anyio and Prometheus' client use as they are imported: defaults and types of parameters."""


_OWN_HASHES = ("_md5", "_sha1", "_sha3", "_blake2")
"""Some systems build Python without them; there its hashes are OpenSSL's."""


class _Later(ModuleType):
    """Placeholder of a module. Any name other than the given ones loads the module."""

    def __init__(self, name: str, known: Mapping[str, object]) -> None:
        super().__init__(name)
        self.__dict__.update(known)

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):  # what the machinery of imports looks for
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        module = import_module(self.__name__)
        self.__dict__.update(module.__dict__)
        return getattr(module, name)


def without_tls() -> None:
    """Import asyncio and hashlib without OpenSSL, with a placeholder that loads it when it is used.

    Call it before anything imports them. After it asyncio has no TLS, and `hashlib` has neither scrypt nor PBKDF2,
    which `_hashlib` still has. Without effect if one of them is loaded already.
    """
    if not sys.modules.keys().isdisjoint({"asyncio", "hashlib", "ssl"}) or not all(map(find_spec, _OWN_HASHES)):
        return
    # To asyncio, hashlib and hmac both are optional, by Python's own word for a module that is not there.
    with _instead({"ssl": None, "_hashlib": None}):
        for name in ("asyncio", "hashlib", "hmac"):
            import_module(name)
    sys.modules["ssl"] = _Later("ssl", _KNOWN_OF_SSL)


def without_command_line() -> None:
    """Import uvicorn without its command line, which brings click and multiprocessing, or its files of loggers.

    The loggers' files bring configparser; uvicorn only checks if a value is a `RawConfigParser`, which ours never is.
    """
    if "uvicorn" in sys.modules:
        return
    command = _Later("uvicorn.main", {"Server": None, "main": None, "run": None})
    parser = _Later("configparser", {"RawConfigParser": type("RawConfigParser", (), {})})
    loggers = _Later("logging.config", {})
    with _instead({"uvicorn.main": command, "logging.config": loggers, "configparser": parser}):
        uvicorn = import_module("uvicorn")
    for name in ("Server", "main", "run"):
        delattr(uvicorn, name)  # rather nothing than something else: uvicorn.server has the server


class _LaterEntities:
    """Table of HTML's named characters (0.3 MB), loaded when `html.unescape` looks one up; `html.escape` does not."""

    def __contains__(self, name: object) -> bool:
        return name in self._table()

    def __getitem__(self, name: str) -> str:
        return self._table()[name]

    def _table(self) -> Mapping[str, str]:
        table: Mapping[str, str] = import_module("html.entities").html5
        return table


def without_entities() -> None:
    """Import html without the names of characters until one is looked up."""
    if "html" not in sys.modules:
        with _instead({"html.entities": _Later("html.entities", {"html5": _LaterEntities()})}):
            import_module("html")


def without_http_client() -> None:
    """Import Starlette without Python's HTTP client (0.7 MB), of which it takes the phrases of status codes."""
    if sys.modules.keys().isdisjoint({"http.client", "starlette.exceptions"}):
        client = _Later("http.client", {"responses": {status.value: status.phrase for status in http.HTTPStatus}})
        http.client = client  # type: ignore[attr-defined]  # an import of the real one replaces it
        with _instead({"http.client": client}):
            import_module("starlette.exceptions")


_SERVERS: Mapping[str, Mapping[str, object]] = {
    "http.server": {"BaseHTTPRequestHandler": object},
    "socketserver": {"ThreadingMixIn": type("ThreadingMixIn", (), {})},
    "timeit": {"default_timer": None},
    "urllib.error": {"HTTPError": None},
    "urllib.request": {
        "BaseHandler": None,
        "build_opener": None,
        "HTTPHandler": None,
        "HTTPRedirectHandler": object,
        "HTTPSHandler": None,
        "Request": None,
    },
    "wsgiref.simple_server": {"make_server": None, "WSGIRequestHandler": object, "WSGIServer": object},
}
"""Modules that Prometheus' client imports to serve its figures itself, and to push them."""


def without_servers() -> None:
    """Import Prometheus' client as what makes text alone, half its memory; its servers do not work from then on."""
    if "prometheus_client" not in sys.modules:
        with _instead({name: _Later(name, known) for name, known in _SERVERS.items()}):
            import_module("prometheus_client")


@contextmanager
def _instead(modules: Mapping[str, ModuleType | None]) -> Iterator[None]:
    """While it lasts these stand in the table of modules, for those that are not loaded."""
    put = {name: module for name, module in modules.items() if name not in sys.modules}
    sys.modules.update(put)  # type: ignore[arg-type]  # None is how a module is said not to be there
    try:
        yield
    finally:
        for name, module in put.items():
            if sys.modules.get(name, put) is module:
                del sys.modules[name]
