"""Who may be reached, by name and then by every address the name leads to."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable
from dataclasses import dataclass

from runner.records.hosts import Host, parse_host
from runner.records.setup import Setup

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
"""All of IPv6 that is routed; what is mapped, translated or local lies outside."""
TUNNELS_V6 = tuple(map(ipaddress.IPv6Network, ("2001::/23", "2002::/16", "2001:db8::/32")))
"""Teredo, 6to4 and the like carry an IPv4 address that nobody would check."""
NEVER = tuple(
    map(
        ipaddress.ip_network,
        (
            *("169.254.0.0/16", "fe80::/10"),  # link-local, and most clouds' metadata
            *("168.63.129.16/32", "100.100.100.200/32", "192.0.0.192/32", "fd00:ec2::254/128"),
            *("0.0.0.0/8", "224.0.0.0/3", "::/128", "ff00::/8"),  # nobody, everybody, reserved
        ),
    )
)
"""No setting allows these: what answers there hands out a machine's credentials."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not, and the line of a policy that would change that (empty = none)."""

    why: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Rules:
    """One setup's plan, ready to be asked."""

    setup: Setup
    hosts: tuple[Host, ...]
    names: tuple[Host, ...]
    """Of `allow_private`, as https hosts."""
    networks: tuple[Network, ...]

    def refuse_host(self, host: Host) -> Refusal | None:
        """By name, before anything is looked up: a look-up is a message, too."""
        if _covered(self.hosts, host):
            return None
        sides = (
            (self.setup.asked, "the repository's policy", ".codex-runner.toml"),
            (self.setup.allowed, "the operator's settings", "config.toml"),
        )
        lacking = [
            (who, f"{_line('hosts', hosts, str(host))} under [setup] in {file}")
            for hosts, who, file in sides
            if not _covered(map(parse_host, hosts), host)
        ]
        why = " and ".join(who for who, _ in lacking)
        return Refusal(f"not in {why}", " and ".join(line for _, line in lacking))

    def refuse_address(self, host: Host, address: str) -> Refusal | None:
        """By one address the name leads to."""
        found = _plain(ipaddress.ip_address(address))
        if any(found in network for network in NEVER):
            return Refusal(f"leads to {found}, which no setup may reach")
        if is_public(found) or self.is_private_allowed(host, found):
            return None
        line = _line("allow_private", self.setup.allow_private, host.name)
        remedy = f"{line} under [setup] in config.toml"
        return Refusal(f"leads to the private address {found}", remedy)

    def is_private_allowed(self, host: Host, address: Address) -> bool:
        """Whether the operator named the host, or a network around the address."""
        named = _covered(self.names, Host("https", host.name, 443))
        return named or any(address in network for network in self.networks)


def make_rules(setup: Setup) -> Rules:
    """Of a plan, whose texts were checked when it was made."""
    networks = [text for text in setup.allow_private if "/" in text]
    names = [text for text in setup.allow_private if "/" not in text]
    return Rules(
        setup=setup,
        hosts=tuple(map(parse_host, setup.hosts)),
        names=tuple(map(parse_host, names)),
        networks=tuple(map(ipaddress.ip_network, networks)),
    )


def is_public(address: Address) -> bool:
    """Whether everybody reaches the same machine there."""
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not address.is_multicast
    tunnelled = any(address in network for network in TUNNELS_V6)
    return address in GLOBAL_V6 and address.is_global and not tunnelled


def _plain(address: Address) -> Address:
    """`::ffff:10.0.0.1` is 10.0.0.1 to whoever connects to it."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _covered(rules: Iterable[Host], host: Host) -> bool:
    return any(rule.covers(host) for rule in rules)


def _line(key: str, values: tuple[str, ...], more: str) -> str:
    return f"{key} = {json.dumps([*values, more])}"
