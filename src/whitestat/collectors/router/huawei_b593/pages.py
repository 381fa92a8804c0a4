"""What a B593's pages say, and how it wants its password; pure. All of it is text from the network: bounded, tolerant.

Known from public clients of it (Wolfrax/Traffic for V100R001C07SP102, b593s-22-utils for V200R001, the page's own
scripts); `WanStatistics` is JavaScript with single quotes, not JSON.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple

_PAIR = re.compile(r"'([a-zA-Z]{1,20})'\s{0,8}:\s{0,8}'([^']{0,64})'")
_LINE = re.compile(r"WanStatistics\s{0,8}=\s{0,8}\{([^}]{0,2000})\}")
_VARIABLE = r"""var\s{1,8}%s\s{0,8}=\s{0,8}["']?([^"';\r\n]{0,256})"""
_HEXADECIMAL = re.compile(r"var\s+modulus\s*=\s*((?:\s*\+?\s*[\"'][0-9A-Fa-f]*[\"'])+)")
_EXPONENT = re.compile(r"var\s+(?:public)?[eE]xponent\s*=\s*[\"'](?:0x)?([0-9A-Fa-f]{1,8})[\"']")
_DEFAULT_EXPONENT = 0x10001
_MOST = 1 << 63


class VolumeStatistics(NamedTuple):
    """Volumes in the router's own unit, up and down seen from the home, since they were cleared `live_s` ago.

    Rates are in thousands of the unit's bits where volumes are in thousands of octets.
    """

    up: int
    down: int
    live_s: int | None
    up_rate: int = 0
    down_rate: int = 0


class RsaKey(NamedTuple):
    """An RSA key, as the page's script has it."""

    modulus: int
    exponent: int


class LoginPage(NamedTuple):
    """What the first page says of logging in: how many tries failed, why, and the tokens of newer firmware."""

    failures: int = 0
    cookie_flag: int = 0
    csrf: tuple[str, str] | None = None


def statistics(text: str) -> VolumeStatistics | None:
    """The counters; None where the page shows none. ValueError for figures that cannot be read."""
    line = _LINE.search(text)
    if line is None:
        return None
    values = dict(_PAIR.findall(line[1]))
    if not {"upvolume", "downvolume"} <= values.keys():
        raise ValueError("WanStatistics without upvolume and downvolume")
    live = values.get("liveTime", "")
    return VolumeStatistics(
        _figure("upvolume", values["upvolume"]),
        _figure("downvolume", values["downvolume"]),
        _figure("liveTime", live) if live else None,
        _figure("uprate", values.get("uprate") or "0"),
        _figure("downrate", values.get("downrate") or "0"),
    )


def is_replaced(text: str) -> bool:
    """Whether the page stands for "not logged in any more", which has status 200."""
    return re.search(r"<title>\s{0,8}replace\s{0,8}</title>", text, re.IGNORECASE) is not None


def front(text: str) -> LoginPage:
    """The first page; what it does not say is nothing."""
    failed = _variable(text, "LoginError").partition(":")[0].strip()
    flag = _variable(text, "Cookieflag").strip()
    param, token = _variable(text, "csrf_param"), _variable(text, "csrf_token")
    return LoginPage(
        int(failed) if re.fullmatch("[0-9]{1,3}", failed) else 0,
        int(flag) if re.fullmatch("[0-9]{1,3}", flag) else 0,
        (param, token) if param and token else None,
    )


def rsa_key(script: str) -> RsaKey | None:
    """The key in `/js/rsa.js`, whose modulus goes on over several lines; None where there is none."""
    match = _HEXADECIMAL.search(script)
    digits = "".join(re.findall("[0-9A-Fa-f]+", match[1])) if match else ""
    if not 128 <= len(digits) <= 1024:  # 512 to 4096 bits
        return None
    exponent = _EXPONENT.search(script)
    return RsaKey(int(digits, 16), int(exponent[1], 16) if exponent else _DEFAULT_EXPONENT)


def let_in(text: str) -> bool:
    """Whether the answer to a login leads anywhere but back to the first page."""
    return _variable(text, "pageName").strip() not in ("", "/")


def plain_password(password: str) -> str:
    """As the oldest firmware wants it."""
    return base64.b64encode(password.encode()).decode()


def encrypted_password(password: str, key: RsaKey, random: Callable[[int], bytes]) -> str:
    """As V100R001C07SP102 wants it: RSA with the padding of PKCS #1 v1.5 (RFC 8017, section 7.2.1)."""
    message = password.encode()
    size = (key.modulus.bit_length() + 7) // 8
    room = size - 3 - len(message)
    if room < 8:
        raise ValueError("the password is too long for the router's key")
    padding = b""
    while len(padding) < room:  # the padding has no zeros, as the first one ends it
        padding += random(room).replace(b"\0", b"")[: room - len(padding)]
    block = b"\0\2" + padding + b"\0" + message
    return base64.b64encode(pow(int.from_bytes(block, "big"), key.exponent, key.modulus).to_bytes(size, "big")).decode()


def hashed_password(username: str, password: str, csrf: tuple[str, str]) -> str:
    """What V200R001 wants encrypted."""
    return sha256(f"{username}{plain_password(password)}{''.join(csrf)}".encode()).hexdigest()


def _variable(text: str, name: str) -> str:
    match = re.search(_VARIABLE % name, text)
    return match[1] if match else ""


def _figure(name: str, text: str) -> int:
    if not re.fullmatch(r"\s{0,8}[0-9]{1,19}\s{0,8}", text) or int(text) >= _MOST:
        raise ValueError(f"{name}: not a figure: {text[:30]!r}")
    return int(text)
