"""Modules that are loaded on first use, and their loading before the process gives up root."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from whitestat.web.auth import common_passwords

_DEFERRED = ("jinja2", "markupsafe", "prometheus_client", "tomlkit", "whitestat.web.handlers.metrics", "_hashlib")
"""One module of each place: other packages, ours, and Python's own library."""


def deferred_files() -> list[Path]:
    """Return files, and their folders, that are read on first use; the service must be able to read them then."""
    specs = [find_spec(name) for name in _DEFERRED]
    files = [Path(spec.origin) for spec in specs if spec and spec.origin and spec.has_location]
    files.append(common_passwords.FILE)
    return [*files, *(file.parent for file in files)]


def load_all() -> None:
    """Load everything deferred, for a process that cannot read it after giving up root."""
    from whitestat.core.system import lazy_imports
    from whitestat.ledger.read.queries import load_plans
    from whitestat.web.auth import passwords

    lazy_imports.without_servers()
    import tomlkit  # noqa: F401 - only to load it

    from whitestat.web import openapi  # noqa: F401 - only to load it
    from whitestat.web.handlers import access_page, https_page, login, metrics, plans, settings, usage_page  # noqa: F401 - only to load them

    passwords.load()
    common_passwords.load()
    load_plans()
    usage_page.template()
    login.template()
    access_page.template()
    https_page.template()
