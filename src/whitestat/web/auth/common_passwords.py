"""The 5,000 most common passwords of eight letters or more, and others that are tried first."""

from __future__ import annotations

from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("common_passwords.txt.gz")
"""One a line, in lower case and sorted: from the list of zxcvbn 4.5.0 (MIT), made of published leaks."""

LEAST_DIFFERENT = 3
_OWN_WORDS = ("whitestat", "owner")


def is_common(password: str, account: str = "") -> bool:
    """Return whether a password is one of those that are guessed first; the case of letters makes no difference.

    It is also common if it has fewer than LEAST_DIFFERENT different letters, or is the name of the account or of this
    program with digits and signs around it.
    """
    text = password.casefold().strip()
    bare = text.strip("0123456789!?.,-_#$*@+ ")
    if len(set(text)) < LEAST_DIFFERENT or bare in (*_OWN_WORDS, account.casefold()):
        return True
    return text in load().split()


@cache
def _packed() -> bytes:
    return FILE.read_bytes()


def load() -> str:
    """Return the list, one a line. Its 20 KB are read once, for a process that cannot read them later."""
    import gzip  # of use when a password is set, and else not loaded

    return gzip.decompress(_packed()).decode("ascii")
