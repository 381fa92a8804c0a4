"""Passwords as they are kept: scrypt (RFC 7914), with a salt of their own."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from functools import cache

from whitestat.errors import EditError

LEAST_LETTERS, MOST_LETTERS = 8, 256

_LOG_N, _R, _P = 12, 8, 20
"""4 MiB and 0.2 s on the reference machine: as much work as 128 MiB and one round, which small machines do not have."""

_SALT_OCTETS, _HASH_OCTETS = 16, 32


def kept(password: str) -> str:
    """`scrypt$12$8$20$salt$hash`; EditError for a password that is too short or too long."""
    if not LEAST_LETTERS <= len(password) <= MOST_LETTERS:
        raise EditError("password", f"must have {LEAST_LETTERS} to {MOST_LETTERS} letters, has {len(password)}")
    salt = secrets.token_bytes(_SALT_OCTETS)
    made = _scrypt(password, salt, _LOG_N, _R, _P)
    return f"scrypt${_LOG_N}${_R}${_P}${b64encode(salt).decode()}${b64encode(made).decode()}"


def matches(password: str, held: str | None) -> bool:
    """Whether it is the password; without one to compare with the same time passes, and it is not."""
    if len(password) > MOST_LETTERS:
        return False
    _, log_n, r, p, salt, hashed = (held or _NOBODYS).split("$")
    made = _scrypt(password, b64decode(salt), int(log_n), int(r), int(p))
    return hmac.compare_digest(made, b64decode(hashed)) and held is not None


_NOBODYS = f"scrypt${_LOG_N}${_R}${_P}${b64encode(bytes(_SALT_OCTETS)).decode()}${b64encode(bytes(32)).decode()}"


def _scrypt(password: str, salt: bytes, log_n: int, r: int, p: int) -> bytes:
    if not password.isascii():
        from unicodedata import normalize  # the same letter may come composed or not, by the keyboard

        password = normalize("NFC", password)
    octets = password.encode("utf-8", "surrogatepass")
    most = 256 * r * ((1 << log_n) + p)
    _give_back()
    from _hashlib import scrypt  # OpenSSL is loaded for the first password: `hashlib` may do without

    return scrypt(octets, salt=salt, n=1 << log_n, r=r, p=p, maxmem=most, dklen=_HASH_OCTETS)


@cache
def _give_back() -> None:
    """glibc would keep the megabytes for the next time, which may be weeks away, once it freed some: mallopt(3)."""
    with contextlib.suppress(AttributeError):  # another C library has no such habit
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE_OCTETS)


_M_MMAP_THRESHOLD = -3
_LARGE_OCTETS = 1 << 20
"""What is larger is taken from the system and given back at once."""


def secret() -> str:
    """256 random bits as text for an address or a header."""
    return secrets.token_urlsafe(32)


def digest(text: str) -> str:
    """What is kept of a secret: it has too many random bits to be found again, so one hash is enough."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
