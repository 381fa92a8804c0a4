"""Passwords as they are kept: scrypt (RFC 7914), with a salt of their own."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from collections.abc import Callable
from functools import cache

from whitestat.core.errors import EditError
from whitestat.web.auth.common_passwords import is_common

LEAST_LETTERS, MOST_LETTERS = 8, 256
MOST_OCTETS = 511
"""What crypt(3) of libxcrypt takes; it reads to the first NUL."""

_LOG_N, _R, _P = 12, 8, 20
"""4 MiB and 0.2 s on the reference machine: as much work as 128 MiB and one round, which small machines do not have."""

_SALT_LETTERS, _HASH_OCTETS = 22, 32


def kept(password: str, account: str = "") -> str:
    """`scrypt$12$8$20$salt$hash`; EditError for a password that is too short, too long, common or has a NUL in it."""
    if not LEAST_LETTERS <= len(password) <= MOST_LETTERS:
        raise EditError("password", f"must have {LEAST_LETTERS} to {MOST_LETTERS} letters, has {len(password)}")
    if len(_octets(password)) > MOST_OCTETS:
        raise EditError("password", f"must have at most {MOST_OCTETS} octets in UTF-8, has {len(_octets(password))}")
    if "\0" in password:
        raise EditError("password", "must not have a NUL in it")
    if is_common(password, account):
        raise EditError("password", "is one of those that are tried first; take another, such as four words")
    # Letters, since crypt(3) takes no other salt: 132 random bits.
    salt = bytes(secrets.choice(_LETTERS) for _ in range(_SALT_LETTERS))
    digest = _scrypt(_octets(password), salt, _LOG_N, _R, _P)
    return f"scrypt${_LOG_N}${_R}${_P}${b64encode(salt).decode()}${b64encode(digest).decode()}"


def matches(password: str, stored: str | None) -> bool:
    """Whether it is the password; without one to compare with the same time passes, and it is not."""
    if len(password) > MOST_LETTERS or "\0" in password or len(_octets(password)) > MOST_OCTETS:
        return False
    _, log_n, r, p, salt, hashed = (stored or _NOBODYS).split("$")
    digest = _scrypt(_octets(password), b64decode(salt), int(log_n), int(r), int(p))
    return hmac.compare_digest(digest, b64decode(hashed)) and stored is not None


def load() -> None:
    """Load what makes scrypt, for a process that may not be able to read it later."""
    if _libcrypt() is None:
        import _hashlib  # noqa: F401 - loading is all


def _octets(password: str) -> bytes:
    if not password.isascii():
        from unicodedata import normalize  # the same letter may come composed or not, by the keyboard

        password = normalize("NFC", password)
    return password.encode("utf-8", "surrogatepass")


_LETTERS = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""The digits of crypt(5), each of six bits."""

_NOBODYS = f"scrypt${_LOG_N}${_R}${_P}${b64encode(_LETTERS[:_SALT_LETTERS]).decode()}${b64encode(bytes(32)).decode()}"


def _scrypt(password: bytes, salt: bytes, log_n: int, r: int, p: int) -> bytes:
    return _by_libcrypt(password, salt, log_n, r, p) or _by_openssl(password, salt, log_n, r, p)


def _by_libcrypt(password: bytes, salt: bytes, log_n: int, r: int, p: int) -> bytes | None:
    """By crypt(3), which takes 0.1 MB where OpenSSL takes 4; None where it has no scrypt, or not with this salt."""
    crypt = _libcrypt()
    if crypt is None or not set(salt) <= set(_LETTERS):
        return None
    setting = b"$7$" + _LETTERS[log_n : log_n + 1] + _digits(r, 5) + _digits(p, 5) + salt
    hashed = crypt(password, setting, ctypes.create_string_buffer(_CRYPT_DATA_OCTETS), _CRYPT_DATA_OCTETS)
    if not hashed or not hashed.startswith(setting + b"$"):
        return None
    digits = hashed[len(setting) + 1 :]
    value = sum(_LETTERS.index(letter) << 6 * place for place, letter in enumerate(digits))
    return value.to_bytes(len(digits) * 6 // 8 + 1, "little")[:_HASH_OCTETS]


_CRYPT_DATA_OCTETS = 32_768
"""`struct crypt_data` of libxcrypt."""


def _digits(value: int, count: int) -> bytes:
    return bytes(_LETTERS[value >> 6 * place & 63] for place in range(count))


@cache
def _libcrypt() -> Callable[..., bytes | None] | None:
    for name in ("libcrypt.so.1", "libcrypt.so.2"):
        with contextlib.suppress(OSError, AttributeError):
            crypt = ctypes.CDLL(name).crypt_rn
            crypt.restype = ctypes.c_char_p
            crypt.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int)
            return crypt
    return None


def _by_openssl(password: bytes, salt: bytes, log_n: int, r: int, p: int) -> bytes:
    from _hashlib import scrypt  # `hashlib` may do without OpenSSL

    _give_back()
    most = 256 * r * ((1 << log_n) + p)
    return scrypt(password, salt=salt, n=1 << log_n, r=r, p=p, maxmem=most, dklen=_HASH_OCTETS)


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
