"""Names of browsers, by what they say of themselves (User-Agent, RFC 9110, section 10.1.5)."""

from __future__ import annotations

_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS", "Chrome"),
    ("Safari/", "Safari"),
)
"""The first that is found: browsers also name those that they are compatible with."""

_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)
MOST_LETTERS = 60


def browser_of(text: str) -> str:
    """Return a name like "Firefox on Linux"; for another program the printable beginning of what it says."""
    browser = next((name for word, name in _BROWSERS if word in text), "")
    system = next((name for word, name in _SYSTEMS if word in text), "")
    if browser:
        return f"{browser} on {system}" if system else browser
    return "".join(letter for letter in text[:MOST_LETTERS] if letter.isprintable())
