"""The folder of the installation's authority and certificate: made once, renewed under the same authority."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from whitestat.core.errors import WhiteStatError
from whitestat.web.tls import openssl
from whitestat.web.tls.names import IpAddress, constraints, covers, dns_names, subjects
from whitestat.web.tls.openssl import Pair, Validity

DAY_S = 86_400
AUTHORITY_S = 10 * 365 * DAY_S
LEAF_S = 396 * DAY_S
"""With the day before it 397 days, the most that browsers accept of public authorities, and phones of others."""
RENEW_S = 60 * DAY_S
"""How long before its end a certificate is renewed."""
_EARLIER_S = DAY_S
"""Certificates are valid from a day before: the clocks of phones differ."""
CLOCK_SET_S = 1_767_225_600
"""2026-01-01: a clock before it is not set yet, as on a Raspberry Pi before it has asked for the time."""

_MARK = "whitestat: "
_MOST_OCTETS = 64 * 1024
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


class _Damaged(WhiteStatError):
    """A file that holds no certificate of ours."""


class _Kept(NamedTuple):
    """What a file holds: what its certificate is for, its last second, and the pair."""

    subjects: tuple[str, ...]
    end_s: int
    by: str
    """Fingerprint of the authority that signed it, empty for an authority."""
    pair: Pair


class CertificateStore:
    """`authority.pem` and `server.pem` in a folder of mode 0700, each a certificate with its key, of mode 0600.

    All methods run children and write files: call them from a thread, as the user of the service.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._authority: _Kept | None = None
        self.server_file = folder / "server.pem"

    @property
    def authority(self) -> str:
        """Certificate of the authority, PEM; empty before `ensure`."""
        return self._authority.pair.certificate if self._authority else ""

    def read_authority(self) -> str:
        """Return the certificate of the authority, PEM, empty if it is not made yet. Raises WhiteStatError."""
        try:
            kept = _read(self._folder / "authority.pem")
        except OSError as fault:
            raise WhiteStatError(f"{self._folder}: {(fault.strerror or str(fault)).lower()}") from None
        return kept.pair.certificate if kept else ""

    def ensure(self, names: Sequence[str], addresses: Iterable[IpAddress], now_s: int) -> bool:
        """Make what is missing, expires soon, or lacks one of the names or addresses; return whether it made any.

        An authority is made once, and never anew while its file is there. Raises WhiteStatError.
        """
        if now_s < CLOCK_SET_S:
            raise WhiteStatError("the clock is not set yet")
        try:
            self._make_folder()
            authority = self._ensure_authority(names, now_s)
            covered = [subject for subject in subjects(names, addresses) if covers(authority.subjects, subject)]
            return self._ensure_server(authority, covered, now_s)
        except OSError as fault:
            raise WhiteStatError(f"{self._folder}: {(fault.strerror or str(fault)).lower()}") from None

    def not_covered(self, names: Iterable[str]) -> list[str]:
        """Return names that the authority must not vouch for: those that this machine got after it was made."""
        limits = self._authority.subjects if self._authority else ()
        return [subject.partition(":")[2] for subject in subjects(names, ()) if not covers(limits, subject)]

    def _make_folder(self) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        status = os.lstat(self._folder)
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            raise WhiteStatError(f"{self._folder}: must be a folder that belongs to the user of the service")
        if status.st_mode & 0o077:
            self._folder.chmod(0o700)

    def _ensure_authority(self, names: Sequence[str], now_s: int) -> _Kept:
        path = self._folder / "authority.pem"
        kept = self._authority or _read(path)
        if kept is None:
            limits, validity = constraints(names), Validity(now_s - _EARLIER_S, now_s + AUTHORITY_S)
            of = next((name for name in names if dns_names([name])), "this network")
            pair = openssl.authority(self._folder, f"WhiteStat authority of {of}"[:64], limits, validity)
            kept = _Kept(limits, validity.end_s, "", pair)
            _write(path, kept)
        elif kept.end_s < now_s + LEAF_S:
            advice = "if the clock is right, remove it: a new one is made, which each device must be set to trust"
            raise WhiteStatError(f"{path}: is at its end by this clock; {advice}")
        self._authority = kept
        return kept

    def _ensure_server(self, authority: _Kept, names: Sequence[str], now_s: int) -> bool:
        by, kept = fingerprint(authority.pair.certificate), None
        with contextlib.suppress(_Damaged):
            kept = _read(self.server_file)
        # One with more time left than a new one was made while the clock was ahead, and is not valid yet.
        is_current = kept and kept.by == by and RENEW_S < kept.end_s - now_s <= LEAF_S
        if kept and is_current and set(names) <= set(kept.subjects):
            return False
        validity = Validity(now_s - _EARLIER_S, now_s + LEAF_S)
        pair = openssl.server(self._folder, "WhiteStat", names, validity, authority.pair)
        _write(self.server_file, _Kept(tuple(names), validity.end_s, by, pair))
        return True


def der(certificate: str) -> bytes:
    """Return the octets of a PEM certificate (RFC 7468)."""
    return base64.b64decode(certificate.partition(_BEGIN)[2].partition(_END)[0])


def fingerprint(certificate: str) -> str:
    """Return the SHA-256 fingerprint of a PEM certificate as systems show it: pairs of digits with colons."""
    return hashlib.sha256(der(certificate)).digest().hex(":").upper()


def _read(path: Path) -> _Kept | None:
    """Return what a file holds, None if there is none. Raises WhiteStatError for one that is damaged or a link."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise WhiteStatError(f"{path}: is not a regular file")
        os.fchmod(descriptor, 0o600)
        text = file.read(_MOST_OCTETS).decode("ascii", "replace")
    return _parsed(path, text)


def _parsed(path: Path, text: str) -> _Kept:
    head, mark, rest = text.partition(_BEGIN)
    certificate, end, key = (mark + rest).partition(_END)
    try:
        about = json.loads(head.removeprefix(_MARK))
        pair = Pair(f"{certificate}{end}\n", key)
        kept = _Kept(tuple(map(str, about["subjects"])), int(about["end_s"]), str(about["by"]), pair)
    except (ValueError, KeyError, TypeError):
        raise _Damaged(f"{path}: is damaged; remove it, and it is made anew") from None
    return kept


def _write(path: Path, kept: _Kept) -> None:
    """Replace a file whole; text before the certificate is a comment to all that read PEM (RFC 7468, section 2)."""
    about = json.dumps({"subjects": kept.subjects, "end_s": kept.end_s, "by": kept.by})
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{_MARK}{about}\n{kept.pair.certificate}{kept.pair.key.lstrip()}")
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
