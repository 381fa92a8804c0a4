"""The installation's authority and certificate, as openssl itself judges them."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from ipaddress import ip_address
from pathlib import Path

import pytest

from whitestat.core.errors import WhiteStatError
from whitestat.core.system import children
from whitestat.web.tls import openssl
from whitestat.web.tls.names import covers, subjects
from whitestat.web.tls.openssl import Pair, Validity
from whitestat.web.tls.store import CLOCK_SET_S, DAY_S, CertificateStore, der, fingerprint

pytestmark = pytest.mark.needs("openssl")

NOW_S = CLOCK_SET_S + 300 * DAY_S
NAMES = ["gateway", "gateway.lan", "localhost"]
ADDRESSES = [ip_address(text) for text in ("192.168.1.5", "fd00::5", "127.0.0.1", "203.0.113.9", "2001:db8::9")]


def run(*words: str) -> str:
    done = subprocess.run(["openssl", *words], capture_output=True, text=True, check=False, timeout=60)
    return done.stdout + done.stderr


@pytest.fixture
def store(tmp_path: Path) -> CertificateStore:
    made = CertificateStore(tmp_path / "https")
    assert made.ensure(NAMES, ADDRESSES, NOW_S)
    return made


def verified(store: CertificateStore, certificate: Path, *options: str, at_s: int = NOW_S) -> str:
    """What openssl says of a certificate to those that trust the authority alone."""
    trusted = certificate.with_name("trusted.pem")
    trusted.write_text(store.authority)
    words = ("verify", "-x509_strict", "-purpose", "sslserver", "-no-CApath", "-no-CAstore", "-attime", str(at_s))
    return run(*words, "-CAfile", str(trusted), *options, str(certificate))


@pytest.mark.parametrize("option", ["-verify_hostname gateway.lan", "-verify_ip 192.168.1.5", "-verify_ip fd00::5"])
def test_a_name_and_private_addresses_of_both_families_are_vouched_for(store: CertificateStore, option: str) -> None:
    assert verified(store, store.server_file, *option.split()).endswith("OK\n")


@pytest.mark.parametrize("option", ["-verify_hostname example.org", "-verify_ip 203.0.113.9", "-verify_ip 2001:db8::9"])
def test_other_names_and_public_addresses_are_not(store: CertificateStore, option: str) -> None:
    assert "mismatch" in verified(store, store.server_file, *option.split())


@pytest.mark.parametrize("foreign", ["DNS:bank.example.org", "DNS:nas.lan", "IP:203.0.113.9", "IP:2001:db8::9"])
def test_who_has_the_authoritys_key_can_vouch_for_nothing_foreign(store: CertificateStore, foreign: str) -> None:
    text = (store.server_file.parent / "authority.pem").read_text()
    pair = Pair(store.authority, text[text.index("-----BEGIN PRIVATE") :])
    validity = Validity(NOW_S - DAY_S, NOW_S + DAY_S)
    forged = openssl.server(store.server_file.parent, "WhiteStat", [foreign], validity, pair)
    path = store.server_file.with_name("forged.pem")
    path.write_text(forged.certificate)
    assert "permitted subtree violation" in verified(store, path)


def test_constraints_are_critical_and_the_authority_signs_no_other(store: CertificateStore) -> None:
    path = store.server_file.with_name("trusted.pem")
    path.write_text(store.authority)
    text = run("x509", "-noout", "-text", "-in", str(path))
    assert "Name Constraints: critical" in text
    assert re.search(r"Basic Constraints: critical\s+CA:TRUE, pathlen:0", text)


def test_a_certificate_lasts_397_days_at_most(store: CertificateStore) -> None:
    file = store.server_file
    for after_days, end in ((395, "OK\n"), (397, "expired")):
        assert end in verified(store, file, at_s=NOW_S + after_days * DAY_S)
    assert "not yet valid" in verified(store, file, at_s=NOW_S - 2 * DAY_S)


def test_the_keys_are_this_users_alone(store: CertificateStore) -> None:
    folder = store.server_file.parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {
        "authority.pem": 0o600,
        "server.pem": 0o600,
    }


def test_wider_modes_are_tightened(store: CertificateStore) -> None:
    folder = store.server_file.parent
    folder.chmod(0o755)
    (folder / "authority.pem").chmod(0o644)
    CertificateStore(folder).ensure(NAMES, ADDRESSES, NOW_S)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "authority.pem").stat().st_mode) == 0o600


def test_nothing_is_made_again_without_need(store: CertificateStore) -> None:
    before = store.server_file.read_bytes()
    again = CertificateStore(store.server_file.parent)
    assert not again.ensure(NAMES[:2], ADDRESSES[:1], NOW_S + 300 * DAY_S)
    assert (store.server_file.read_bytes(), again.authority) == (before, store.authority)


@pytest.mark.parametrize("later_days", [337, 500, 2000])
def test_a_renewed_certificate_is_of_the_same_authority(store: CertificateStore, later_days: int) -> None:
    at_s = NOW_S + later_days * DAY_S
    renewed = CertificateStore(store.server_file.parent)
    assert renewed.ensure(NAMES, ADDRESSES, at_s)
    assert renewed.authority == store.authority
    assert verified(store, store.server_file, "-verify_ip", "192.168.1.5", at_s=at_s + 300 * DAY_S).endswith("OK\n")


def test_a_new_address_gets_a_new_certificate(store: CertificateStore) -> None:
    assert store.ensure(NAMES, [*ADDRESSES, ip_address("10.7.0.2")], NOW_S)
    assert verified(store, store.server_file, "-verify_ip", "10.7.0.2").endswith("OK\n")


def test_a_name_that_came_later_is_left_out_and_told(store: CertificateStore) -> None:
    assert not store.ensure([*NAMES, "router"], ADDRESSES, NOW_S)
    assert store.not_covered([*NAMES, "router", "www.gateway.lan"]) == ["router"]


def test_a_certificate_of_a_clock_that_was_ahead_is_replaced(store: CertificateStore) -> None:
    store.ensure(NAMES, ADDRESSES, NOW_S + 400 * DAY_S)
    assert store.ensure(NAMES, ADDRESSES, NOW_S)
    assert verified(store, store.server_file).endswith("OK\n")


def test_no_authority_is_made_by_a_clock_that_is_not_set(tmp_path: Path) -> None:
    with pytest.raises(WhiteStatError, match="clock is not set"):
        CertificateStore(tmp_path / "https").ensure(NAMES, ADDRESSES, 86_400)
    assert not (tmp_path / "https").exists()


def test_an_authority_at_its_end_is_told_and_never_replaced(store: CertificateStore) -> None:
    before = store.authority
    with pytest.raises(WhiteStatError, match="is at its end by this clock"):
        CertificateStore(store.server_file.parent).ensure(NAMES, ADDRESSES, NOW_S + 3_400 * DAY_S)
    assert CertificateStore(store.server_file.parent).read_authority() == before


@pytest.mark.parametrize("content", ["", "x" * 100_000, "whitestat: {}\n-----BEGIN CERTIFICATE-----\n"])
def test_a_damaged_certificate_is_replaced_and_a_damaged_authority_told(store: CertificateStore, content: str) -> None:
    store.server_file.write_text(content)
    assert store.ensure(NAMES, ADDRESSES, NOW_S)
    assert verified(store, store.server_file).endswith("OK\n")
    (store.server_file.parent / "authority.pem").write_text(content)
    with pytest.raises(WhiteStatError, match=r"authority\.pem: is damaged; remove it"):
        CertificateStore(store.server_file.parent).ensure(NAMES, ADDRESSES, NOW_S)


@pytest.mark.parametrize("name", ["authority.pem", "server.pem"])
def test_links_are_not_followed(store: CertificateStore, tmp_path: Path, name: str) -> None:
    path, target = store.server_file.with_name(name), tmp_path / "target"
    target.write_text("of another user")
    path.unlink()
    path.symlink_to(target)
    with pytest.raises(WhiteStatError):
        CertificateStore(store.server_file.parent).ensure(NAMES, ADDRESSES, NOW_S)
    assert target.read_text() == "of another user"


def test_what_a_start_left_that_was_ended_meanwhile_is_removed(store: CertificateStore) -> None:
    left = store.server_file.parent / "making"
    left.mkdir()
    (left / "key").write_text("secret")
    store.ensure([*NAMES, "www.gateway"], ADDRESSES, NOW_S)
    assert not left.exists()


def test_without_openssl_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "PATH", str(tmp_path))
    with pytest.raises(WhiteStatError, match="there is no openssl command: install the package openssl"):
        CertificateStore(tmp_path / "https").ensure(NAMES, ADDRESSES, NOW_S)


@pytest.mark.parametrize("name", ["$ENV::HOME", "a,DNS:bank.example.org", "a\nb", "", "-", "x" * 300, "Gatéway"])
def test_a_host_name_that_can_be_none_reaches_no_setting(tmp_path: Path, name: str) -> None:
    made = CertificateStore(tmp_path / "https")
    assert made.ensure([name, "localhost"], ADDRESSES, NOW_S)
    assert verified(made, made.server_file, "-verify_hostname", "localhost").endswith("OK\n")
    assert "bank" not in run("x509", "-noout", "-text", "-in", str(made.server_file))


def test_the_fingerprint_is_that_of_openssl(store: CertificateStore, tmp_path: Path) -> None:
    path = tmp_path / "authority.crt"
    path.write_bytes(der(store.authority))
    shown = run("x509", "-noout", "-fingerprint", "-sha256", "-inform", "DER", "-in", str(path))
    assert shown.partition("=")[2].strip() == fingerprint(store.authority)


def test_a_machine_of_many_addresses_has_a_bounded_certificate() -> None:
    many = [ip_address(f"10.0.{number // 250}.{number % 250}") for number in range(1000)]
    assert len(subjects(NAMES, many)) == 64
    assert subjects(NAMES, many)[:3] == ("DNS:gateway", "DNS:gateway.lan", "DNS:localhost")


def test_a_limit_holds_for_names_below_it_and_for_no_name_that_only_ends_alike() -> None:
    assert covers(["DNS:gateway"], "DNS:www.gateway")
    assert not covers(["DNS:gateway"], "DNS:notgateway")


def test_the_folder_must_be_the_services_own(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("needs root")
    folder = tmp_path / "https"
    folder.mkdir()
    os.chown(folder, 54_321, 54_321)
    with pytest.raises(WhiteStatError, match="must be a folder that belongs to the user of the service"):
        CertificateStore(folder).ensure(NAMES, ADDRESSES, NOW_S)
