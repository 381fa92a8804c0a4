"""What people and programs see of WhiteStat: the page, the API, the live stream. Reads, never writes."""

from whitestat.web.app import create_app
from whitestat.web.server import Server, serve
from whitestat.web.sources import Access, Sources


def load_all() -> None:
    """Load what is else loaded when it is first asked for: who gives up root may not be able to read it afterwards."""
    from whitestat.ledger.queries import load_plans
    from whitestat.web import access_page, login, metrics, openapi, plans, usage_page  # noqa: F401 - loading is all

    load_plans()
    usage_page.template()
    login.template()
    access_page.template()


__all__ = ["Access", "Server", "Sources", "create_app", "load_all", "serve"]
