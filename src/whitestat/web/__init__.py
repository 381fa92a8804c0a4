"""What people and programs see of WhiteStat: the page, the API, the live stream. Reads, never writes."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from whitestat.web.app import create_app
from whitestat.web.server import Server, serve
from whitestat.web.sources import Access, Sources


def loaded_later() -> list[Path]:
    """Where that lies which is loaded when it is first asked for: ours, what it takes from others, and Python's own."""
    names = ("jinja2", "markupsafe", "prometheus_client", "whitestat.web.handlers.metrics", "_hashlib")
    found = [find_spec(name) for name in names]
    files = [Path(spec.origin) for spec in found if spec and spec.origin and spec.has_location]
    return [*files, *(file.parent for file in files)]


def load_all() -> None:
    """Load all that: who gives up root may not be able to read it afterwards."""
    from whitestat.core.system import lazy_imports
    from whitestat.ledger.read.queries import load_plans
    from whitestat.web.auth import passwords

    lazy_imports.without_servers()
    from whitestat.web import openapi  # noqa: F401 - loading is all
    from whitestat.web.handlers import access_page, login, metrics, plans, usage_page  # noqa: F401 - loading is all

    passwords.load()
    load_plans()
    usage_page.template()
    login.template()
    access_page.template()


__all__ = ["Access", "Server", "Sources", "create_app", "load_all", "loaded_later", "serve"]
