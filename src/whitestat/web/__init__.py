"""What people and programs see of WhiteStat: the page, the API, the live stream. Reads, never writes."""

from whitestat.web.app import create_app
from whitestat.web.server import Server, serve
from whitestat.web.sources import Sources

__all__ = ["Server", "Sources", "create_app", "serve"]
