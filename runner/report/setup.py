"""The setup of a run, told: what was installed, what was reached, what was refused and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from runner.records.setup import Denied, SetupResult
from runner.report.sanitise import block, code, line

_DENIED = 20
_DROPPED = 10
_OUTPUT_BYTES = 6_000


def summary(setup: SetupResult) -> str:
    """`made: 12 files, 34567 bytes; 2 hosts reached, 1 denied`."""
    traffic = setup.traffic
    if not setup.key:
        how = "failed"
    else:
        how = "from the cache" if setup.cached else "made"
        how = f"{how}: {setup.files} files, {setup.size_bytes} bytes"
    hosts = f"; {len(traffic.reached)} hosts reached, {len(traffic.denied)} denied"
    return how + ("" if setup.cached else hosts)


def setup_section(setup: SetupResult) -> Iterator[str]:
    """Markdown; every foreign word is inline code."""
    traffic = setup.traffic
    yield from ("### Setup", "", f"- {summary(setup)}")
    if setup.key:
        yield f"- layer {code(setup.key)}"
    if traffic.reached:
        yield f"- reached: {', '.join(code(host) for host in traffic.reached[:_DENIED])}"
    yield from (f"- denied {denied(each, code)}" for each in traffic.denied[:_DENIED])
    if len(traffic.denied) > _DENIED:
        yield f"- denied: {len(traffic.denied) - _DENIED} more in egress.jsonl"
    if setup.dropped:
        shown = ", ".join(code(path) for path in setup.dropped[:_DROPPED])
        more = ", ..." if len(setup.dropped) > _DROPPED else ""
        yield f"- not taken: {shown}{more}"
    yield ""
    if not setup.key and setup.tail:
        yield f"{block(setup.tail, _OUTPUT_BYTES)}\n"


def setup_rows(setup: SetupResult) -> Iterator[tuple[str, str]]:
    """Lines and styles for a terminal."""
    yield f"  setup     {summary(setup)}", "" if setup.key else "red"
    for each in setup.traffic.denied[:_DENIED]:
        yield f"  denied    {denied(each, line)}", "yellow"


def denied(each: Denied, shown: Callable[[str, int], str]) -> str:
    """Host, reason, and the policy line that would change it."""
    times = f" ({each.times} times)" if each.times > 1 else ""
    remedy = f"; allowed by {shown(each.remedy, 1000)}" if each.remedy else ""
    return f"{shown(each.host, 300)}{times}: {shown(each.why, 300)}{remedy}"
