"""Addresses that are not on the list.

1. What has a scheme is an address, and so is what begins with `www.` or ends a name in one of a few
   domains and stands in prose; names in code (`os.path`) are none.
2. A reader of addresses may differ from another: backslashes, credentials, dot segments and odd
   numbers are never allowed, whatever host they seem to name.
3. A host is allowed by its whole name, its address or its network, never by a part of its text.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from urllib.parse import SplitResult, unquote, urlsplit

from runner.guardrails.checksums import address
from runner.guardrails.fold import fold
from runner.guardrails.hit import Hit
from runner.records.guardrail import Urls
from runner.text import line

_REST = r"""[^\s<>"'`{}|]"""
_URL = re.compile(
    rf"(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{{0,30}}://{_REST}{{1,4000}}"
    rf"|\b(?:java|vb)script:{_REST}{{1,4000}}|\bdata:[a-z]{{1,20}}/[a-z0-9.+-]{{1,60}}[;,]{_REST}{{0,4000}}"
    rf"|(?<![\w@./:-])(?P<bare>www\.[a-z0-9]{_REST}{{2,4000}}"
    r"|(?:[a-z0-9-]{1,63}\.){1,8}(?:com|net|org|edu|gov|ru|cn|xyz|top)(?![\w(])"
    rf"(?::[0-9]{{1,5}})?(?:/{_REST}{{0,4000}})?)",
    re.IGNORECASE,
)
_TRAILING = ".,;:!?)]}*_"
_DOTS = re.compile(r"(?:^|/)\.\.?(?:/|$)")


def find(text: str, declared: Urls) -> Iterator[Hit]:
    folded = fold(text)
    for match in _URL.finditer(folded.text):
        found = match[0].rstrip(_TRAILING)
        why = _refused(found if match["bare"] is None else f"https://{found}", declared)
        if why and found:
            start, end = folded.span(match.start(), match.start() + len(found))
            yield Hit(start, end, "url", why, mask="<URL>")


def _refused(url: str, declared: Urls) -> str | None:
    """Why it is not allowed, without the address's path; None = it is."""
    scheme = url.partition(":")[0].lower()
    if scheme not in {each.lower() for each in declared.allowed_schemes}:
        return f"an address with the scheme {line(scheme, 30)}, which is not allowed"
    if "\\" in url or not url.isprintable():
        return "an address that readers understand differently"
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return "an address that cannot be read"
    if "@" in parts.netloc and declared.block_userinfo:
        return f"an address with a user name, of {line(host, 80)}"
    if any(_allows(each, parts, host, port, declared) for each in declared.url_allow_list):
        return None
    return f"an address of {line(host, 80)}, which is not on the list"


def _allows(entry: str, parts: SplitResult, host: str, port: int | None, declared: Urls) -> bool:
    if "://" not in entry and "/" in entry and _network(entry) is not None:
        found, network = address(host), _network(entry)
        return found is not None and network is not None and found in network
    whole = "://" in entry
    try:
        allowed = urlsplit(entry if whole else f"//{entry}")
        wanted, wanted_port = (allowed.hostname or "").rstrip("."), allowed.port
    except ValueError:
        return False
    if whole and allowed.scheme.lower() != parts.scheme.lower():
        return False
    if wanted_port is not None and wanted_port != port:
        return False
    same = _same_host(host, wanted, subdomains=declared.allow_subdomains)
    return same and _below(parts.path, allowed.path)


def _same_host(host: str, wanted: str, *, subdomains: bool) -> bool:
    if not wanted:
        return False
    if host in {wanted, f"www.{wanted}"}:
        return True
    return subdomains and address(wanted) is None and host.endswith(f".{wanted}")


def _below(path: str, allowed: str) -> bool:
    """`/v1` allows `/v1` and `/v1/x`, not `/v10` and not `/v1/../x`."""
    top = allowed.rstrip("/")
    if not top:
        return True
    spelled = unquote(unquote(path))
    return (path == top or path.startswith(f"{top}/")) and not _DOTS.search(spelled)


def _network(entry: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return None
