"""Keys and certificates, made by the `openssl` command in a child: its memory is given back as it ends.

A call takes some 10 ms on a PC and 0.1 s on a Raspberry Pi 2. Keys are of P-256, which all systems since 2012 accept.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path
from typing import NamedTuple

from whitestat.core.calendar import wall_time
from whitestat.core.errors import WhiteStatError
from whitestat.core.system import children

_TIMEOUT_S = 60.0

_SETTINGS = """
[req]
distinguished_name = name
prompt = no
utf8 = yes
string_mask = utf8only
[name]
O = WhiteStat
CN = {name}
[ca]
default_ca = home
[home]
database = {folder}/index
new_certs_dir = {folder}
rand_serial = yes
default_md = sha256
policy = anything
unique_subject = no
email_in_dn = no
[anything]
organizationName = supplied
commonName = supplied
[authority]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
nameConstraints = critical,{limits}
[server]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = {subjects}
"""
"""Settings of openssl-req(1), openssl-ca(1) and x509v3_config(5): RFC 5280, sections 4.2.1 and 4.2.1.10."""


class Pair(NamedTuple):
    """A certificate and its private key, both PEM."""

    certificate: str
    key: str


class Validity(NamedTuple):
    """First and last second that a certificate is valid, in Unix time."""

    begin_s: int
    end_s: int


def version() -> str:
    """Return the version of the program. Raises WhiteStatError if there is none."""
    return _run("version").decode(errors="replace").partition("(")[0].strip()


def authority(folder: Path, name: str, limits: Sequence[str], validity: Validity) -> Pair:
    """Return a certificate authority that can vouch for `limits` alone; `folder` holds files meanwhile."""
    permitted = ",".join(f"permitted;{limit}" for limit in limits)
    with _work(folder, name=name, limits=permitted, subjects="DNS:localhost") as work:
        return _signed(work, "authority", validity, "-selfsign", "-keyfile", str(work / "key"))


def server(folder: Path, name: str, subjects: Sequence[str], validity: Validity, by: Pair) -> Pair:
    """Return a certificate for a server, signed by an authority."""
    with _work(folder, name=name, limits="permitted;DNS:localhost", subjects=",".join(subjects)) as work:
        _write(work / "by.pem", by.certificate)
        _write(work / "by.key", by.key)
        return _signed(work, "server", validity, "-cert", str(work / "by.pem"), "-keyfile", str(work / "by.key"))


@contextmanager
def _work(folder: Path, **words: str) -> Iterator[Path]:
    """A folder of our own, removed with all keys in it at the end."""
    work = folder / "making"
    _remove(work)  # of a start that was ended meanwhile
    work.mkdir(mode=0o700)
    try:
        _write(work / "settings", _SETTINGS.format(folder=work, **words))
        _write(work / "index", "")
        yield work
    finally:
        _remove(work)


def _remove(work: Path) -> None:
    """Remove a folder of files, if it is there; `shutil` has the same and brings three compressors."""
    with contextlib.suppress(FileNotFoundError):
        for file in work.iterdir():
            file.unlink()
        work.rmdir()


def _signed(work: Path, section: str, validity: Validity, *signer: str) -> Pair:
    """Make a key and a certificate for it."""
    settings, key, request, certificate = (str(work / name) for name in ("settings", "key", "request", "certificate"))
    _run("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
    _run("req", "-new", "-batch", "-config", settings, "-key", key, "-out", request)
    dates = ("-startdate", _date(validity.begin_s), "-enddate", _date(validity.end_s))
    options = ("-batch", "-notext", "-config", settings, "-extensions", section, *dates)
    _run("ca", *options, *signer, "-in", request, "-out", certificate)
    return Pair(Path(certificate).read_text("ascii"), Path(key).read_text("ascii"))


def _run(*words: str) -> bytes:
    try:
        done = children.run("openssl", *words, timeout_s=_TIMEOUT_S)
    except FileNotFoundError:
        raise WhiteStatError("there is no openssl command: install the package openssl") from None
    except (OSError, subprocess.TimeoutExpired) as fault:
        raise WhiteStatError(f"openssl {words[0]} failed: {fault}") from None
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise WhiteStatError(f"openssl {words[0]} failed: {lines[-1][:300]}")
    return done.stdout


def _date(at_s: int) -> str:
    return wall_time(at_s, UTC).strftime("%Y%m%d%H%M%SZ")


def _write(path: Path, text: str) -> None:
    """Make a file that this user alone can read."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
