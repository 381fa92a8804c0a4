"""Name and password of a meter that wants a log-in."""

from __future__ import annotations

from hashlib import pbkdf2_hmac
from hmac import compare_digest

_ROUNDS = 100_000


class Login:
    """A name and a password, which never show in a message. `stamp` changes when they are written anew."""

    def __init__(self, username: str, password: str, stamp: str = "") -> None:
        self.username = username
        self.password = password
        self._stamp = stamp

    def __repr__(self) -> str:
        return f"Login({self.username!r})"

    def sealed(self, url: str, salt: bytes) -> str:
        """A text that tells whether another login is the same one, and not what it is (RFC 8018, section 5.2)."""
        known = "\0".join((url, self.username, self.password, self._stamp))
        return f"{salt.hex()}:{pbkdf2_hmac('sha256', known.encode(), salt, _ROUNDS).hex()}"

    def is_sealed_in(self, text: str, url: str) -> bool:
        """Whether `sealed` made the text of this login at this address."""
        try:
            salt = bytes.fromhex(text.partition(":")[0])
        except ValueError:
            return False
        return compare_digest(self.sealed(url, salt), text)
