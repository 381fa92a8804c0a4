"""Names of protocols and of the services that homes and offices use, from IANA's registries; pure, and offline.

/etc/services may be missing, and differs from machine to machine; an answer must not.
"""

from __future__ import annotations

import re

from whitestat.core.model import PROTOCOL_OTHER

PROTOCOLS = {
    1: "icmp",
    2: "igmp",
    4: "ipip",
    6: "tcp",
    17: "udp",
    41: "ipv6",
    47: "gre",
    50: "esp",
    51: "ah",
    58: "ipv6-icmp",
    89: "ospf",
    103: "pim",
    112: "vrrp",
    115: "l2tp",
    132: "sctp",
    136: "udplite",
    PROTOCOL_OTHER: "not-ip",
}
"""Protocol numbers (IANA, RFC 5237) and the one of our own for frames that are not IP."""

_SERVICES = """
7 echo, 13 daytime, 20 ftp-data, 21 ftp, 22 ssh, 23 telnet, 25 smtp, 37 time, 43 whois, 49 tacacs, 53 domain,
67 bootps, 68 bootpc, 69 tftp, 79 finger, 80 http, 88 kerberos, 110 pop3, 111 sunrpc, 113 auth, 119 nntp, 123 ntp,
135 epmap, 137 netbios-ns, 138 netbios-dgm, 139 netbios-ssn, 143 imap, 161 snmp, 162 snmptrap, 179 bgp, 194 irc,
389 ldap, 427 svrloc, 443 https, 445 smb, 464 kpasswd, 465 submissions, 500 isakmp, 502 modbus, 514 syslog,
515 printer, 520 router, 546 dhcpv6-client, 547 dhcpv6-server, 548 afp, 554 rtsp, 563 nntps, 587 submission,
631 ipp, 636 ldaps, 646 ldp, 655 tinc, 853 domain-s, 873 rsync, 989 ftps-data, 990 ftps, 992 telnets, 993 imaps,
995 pop3s, 1080 socks, 1194 openvpn, 1433 mssql, 1521 oracle, 1701 l2tp, 1723 pptp, 1812 radius,
1813 radius-acct, 1883 mqtt, 1900 ssdp, 2049 nfs, 2375 docker, 2376 docker-s, 3074 xbox, 3128 http-proxy,
3260 iscsi-target, 3306 mysql, 3389 rdp, 3478 stun, 3483 slimserver, 3689 daap, 3702 ws-discovery,
4070 spotify, 4369 epmd, 4460 ntske, 4500 ipsec-nat-t, 5004 rtp, 5060 sip, 5061 sips, 5222 xmpp-client,
5223 apple-push, 5228 google-push, 5269 xmpp-server, 5349 stuns, 5351 nat-pmp, 5353 mdns, 5355 llmnr, 5432 postgresql,
5555 adb, 5671 amqps, 5672 amqp, 5683 coap, 5684 coaps, 5900 vnc, 5985 wsman, 6379 redis, 6667 irc-alt,
6881 bittorrent, 7680 windows-update, 8008 http-alt, 8009 castv2, 8080 http-alt, 8123 home-assistant, 8443 https-alt,
8883 secure-mqtt, 9100 jetdirect, 9418 git, 11211 memcache, 27017 mongodb, 32400 plex,
41641 tailscale, 51413 transmission, 51820 wireguard
"""

SERVICES = {int(port): name for port, name in (entry.split() for entry in _SERVICES.split(","))}
"""Ports by IANA's name, or by the usual name of the program if IANA has none or another's."""

_PORT = re.compile(r"[0-9]{1,5}")


NO_PORT = "no-port"
"""The service of what has no ports, as ICMP, or where they were not seen, as in later fragments."""


def service_text(port: int) -> str:
    """`https` for 443, the number where no name is known."""
    return SERVICES.get(port, str(port)) if port else NO_PORT


def service_ports(text: str) -> tuple[int, ...]:
    """The ports a name or a number means; ValueError for another text."""
    if _PORT.fullmatch(text) and int(text) <= 65_535:
        return (int(text),)
    if text.casefold() == NO_PORT:
        return (0,)
    return _numbers(SERVICES, text)


def protocol_text(number: int) -> str:
    """`tcp` for 6, the number where no name is known."""
    return PROTOCOLS.get(number, str(number))


def protocol_numbers(text: str) -> tuple[int, ...]:
    """The protocol a name or a number means; ValueError for another text."""
    if _PORT.fullmatch(text) and int(text) <= PROTOCOL_OTHER:
        return (int(text),)
    return _numbers(PROTOCOLS, text)


def _numbers(names: dict[int, str], text: str) -> tuple[int, ...]:
    numbers = tuple(number for number, name in names.items() if name == text.casefold())
    if not numbers:
        raise ValueError(text)
    return numbers
