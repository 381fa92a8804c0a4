"""Replacement of what is private in a text: addresses, hosts of URLs and known names, each by a tag of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address

_URL = re.compile(r"\b([a-zA-Z][a-zA-Z0-9+.-]*)://[^\s'\"<>]+")
_MAC = re.compile(r"(?<![0-9A-Fa-f:.-])(?:[0-9A-Fa-f]{2}([:-]))(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}(?![0-9A-Fa-f])")
_ADDRESS = re.compile(r"(?<![\w:.])[0-9A-Fa-f]*[:.][0-9A-Fa-f:.]+(?!\w)")


class Redactor:
    """Replaces private parts of texts; the same part has the same tag in all texts of one redactor.

    `names` are words to be replaced wherever they stand as whole words, in any case: of devices, people and hosts.
    Loopback and unspecified addresses stay, and of each other address whether it is private, link-local or public.
    """

    def __init__(self, names: Iterable[str]) -> None:
        words = sorted({name.strip() for name in names} - {""}, key=len, reverse=True)
        pattern = "|".join(re.escape(word) for word in words)
        self._names = re.compile(rf"(?<!\w)(?:{pattern})(?!\w)", re.IGNORECASE) if words else None
        self._tags: dict[str, str] = {}
        self._counts: dict[str, int] = {}

    def text(self, text: str) -> str:
        """Return the text with every private part replaced by a tag in angle brackets."""
        text = _URL.sub(lambda match: f"{match[1]}://{self._tag('url', match[0])}", text)
        text = _MAC.sub(lambda match: self._tag("mac", match[0].lower().replace("-", ":")), text)
        text = _ADDRESS.sub(lambda match: self._address(match[0]), text)
        names = self._names
        if names is None:
            return text

        def named(part: str) -> str:
            return names.sub(lambda match: self._tag("name", match[0].lower()), part)

        return "".join(part if part.startswith("<") else named(part) for part in _split(text))

    def _address(self, text: str) -> str:
        """Return the tag of an address and what follows it: a port or the end of a sentence."""
        for part in (text, text.rstrip(":."), text.rpartition(":")[0]):
            try:
                address = ip_address(part)
            except ValueError:
                continue
            kept = address.is_loopback or address.is_unspecified
            return text if kept else self._tag(_kind(address), str(address)) + text[len(part) :]
        return text

    def _tag(self, kind: str, part: str) -> str:
        if part not in self._tags:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._tags[part] = f"<{kind}-{self._counts[kind]}>"
        return self._tags[part]


def _split(text: str) -> list[str]:
    """Split a text into tags and what is between them."""
    return re.split(r"(<[a-z0-9-]+-\d+>)", text)


def _kind(address: IPv4Address | IPv6Address) -> str:
    checks: list[tuple[str, Callable[[], bool]]] = [
        ("multicast", lambda: address.is_multicast),
        ("link-local", lambda: address.is_link_local),
        ("private", lambda: address.is_private),
    ]
    return f"ipv{address.version}-{next((name for name, holds in checks if holds()), 'public')}"
