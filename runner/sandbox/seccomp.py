"""The system call filter: `images/seccomp.json` for docker as JSON, for bubblewrap as classic BPF.

One source, two variants. Entries with the comment `flat` hold for sandboxes without namespaces of
their own, entries with the comment `nested` for those in which codex starts its inner sandbox; the
other comments are for people. Conditions use EQ, MASKED_EQ and (below 2**32) LE only: with these a
caller that sets bits the kernel would cut off an `int` can only be refused.
"""

from __future__ import annotations

import json
import platform
import struct
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from runner.errors import InfraError
from runner.sandbox.resources import resource

EPERM, ENOSYS = 1, 38
ALLOW, ERRNO, KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
"""SECCOMP_RET_*, include/uapi/linux/seccomp.h"""
AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""AUDIT_ARCH_*, include/uapi/linux/audit.h; both are little-endian."""
X32_BIT = 0x40000000
NUMBER_AT, ARCH_AT, ARGUMENTS_AT = 0, 4, 16
"""Offsets in struct seccomp_data; an argument is 8 bytes, its low word first."""
LOAD, JUMP, EQUAL, GREATER, AT_LEAST, AND, RETURN = 0x20, 0x05, 0x15, 0x25, 0x35, 0x54, 0x06
"""BPF_LD|W|ABS, BPF_JMP|JA, JEQ, JGT, JGE, BPF_ALU|AND, BPF_RET; all with a constant."""
WORD = 0xFFFFFFFF
VARIANTS = {True: "flat", False: "nested"}
"""The comment whose entries are left out, by `nested`."""

Instruction = tuple[int, int, int, int]
"""struct sock_filter: code, skip when true, skip when false, constant."""
Block = list[Instruction]
Entry = Mapping[str, Any]


@cache
def docker_profile(nested: bool, traced: bool = False) -> str:
    """The profile as text for docker's `--security-opt seccomp=`.

    `traced` says ENOSYS as a call to trace where nobody can (ptrace is refused): gVisor knows no
    error but EPERM, with which the C library makes no thread instead of asking in the older way.
    """
    profile = _source()
    entries = _entries(profile, nested)
    return json.dumps({**profile, "syscalls": [*map(_traced, entries)] if traced else entries})


def _traced(entry: Entry) -> Entry:
    if entry.get("errnoRet") != ENOSYS:
        return entry
    kept = {key: value for key, value in entry.items() if key != "errnoRet"}
    return {**kept, "action": "SCMP_ACT_TRACE"}


@cache
def bpf_program(nested: bool, machine: str = platform.machine()) -> bytes:
    """An array of struct sock_filter for `prctl(PR_SET_SECCOMP)`.

    1. Another architecture (int 0x80 on x86_64) kills. 2. So does the x32 interface. 3. A number
    newer than the table is ENOSYS, as on an older kernel. 4. The others are found by binary search:
    allowed, allowed under conditions, or EPERM.

    Raises:
        InfraError: no table for this machine.
    """
    numbers = json.loads(resource("syscalls.json").read_text()).get(machine)
    if numbers is None:
        raise InfraError(
            f"no system call table for {machine}", f"use one of {', '.join(AUDIT_ARCH)}"
        )
    search = _search(_intervals(_entries(_source(), nested), numbers))
    x32 = [(AT_LEAST, 0, 1, X32_BIT), (RETURN, 0, 0, KILL_PROCESS)] if machine == "x86_64" else []
    program: Block = [
        (LOAD, 0, 0, ARCH_AT),
        (EQUAL, 1, 0, AUDIT_ARCH[machine]),
        (RETURN, 0, 0, KILL_PROCESS),
        (LOAD, 0, 0, NUMBER_AT),
        *x32,
        *search,
    ]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def _source() -> Entry:
    profile: Entry = json.loads(resource("seccomp.json").read_text())
    return profile


def _entries(profile: Entry, nested: bool) -> list[Entry]:
    return [entry for entry in profile["syscalls"] if entry["comment"] != VARIANTS[nested]]


def _intervals(entries: Sequence[Entry], numbers: Mapping[str, int]) -> Sequence[tuple[int, Block]]:
    """(first number, what to do from there on), sorted, neighbours differ."""
    refused: Block = [(RETURN, 0, 0, ERRNO | EPERM)]
    known = {number: _decision(name, entries) or refused for name, number in numbers.items()}
    found: list[tuple[int, Block]] = [(0, refused)]
    for number in range(max(known) + 1):
        block = known.get(number, refused)
        if block != found[-1][1]:
            found.append((number, block))
    return [*found, (max(known) + 1, [(RETURN, 0, 0, ERRNO | ENOSYS)])]


def _decision(name: str, entries: Iterable[Entry]) -> Block:
    """The rules of one system call one after the other; none matches = EPERM. Empty = no rules."""
    rules = [entry for entry in entries if name in entry["names"]]
    block = [step for entry in rules for step in _rule(entry)]
    conditional = all(entry.get("args") for entry in rules)
    return [*block, (RETURN, 0, 0, ERRNO | EPERM)] if block and conditional else block


def _rule(entry: Entry) -> Block:
    """All conditions, then the verdict; the first that fails skips past it."""
    allowed = entry["action"] == "SCMP_ACT_ALLOW"
    verdict = ALLOW if allowed else ERRNO | entry.get("errnoRet", EPERM)
    steps = [step for condition in entry.get("args", ()) for step in _condition(condition)]
    block: Block = []
    for place, (code, constant) in enumerate(steps):
        past = len(steps) - place
        yes, no = {EQUAL: (0, past), GREATER: (past, 0)}.get(code, (0, 0))
        block.append((code, yes, no, constant))
    return [*block, (RETURN, 0, 0, verdict)]


def _condition(condition: Mapping[str, Any]) -> list[tuple[int, int]]:
    """(code, constant) steps; EQUAL has to hold and GREATER must not."""
    low = ARGUMENTS_AT + 8 * condition["index"]
    high, value = low + 4, condition["value"]
    match condition["op"]:
        case "SCMP_CMP_LE" if value <= WORD:
            return [(LOAD, high), (EQUAL, 0), (LOAD, low), (GREATER, value)]
        case "SCMP_CMP_EQ":
            mask, wanted = (WORD << 32) | WORD, value
        case "SCMP_CMP_MASKED_EQ":
            mask, wanted = value, condition.get("valueTwo", 0)
        case other:
            raise ValueError(f"condition {other} is not supported")
    return [
        *((LOAD, high), (AND, mask >> 32), (EQUAL, wanted >> 32)),
        *((LOAD, low), (AND, mask & WORD), (EQUAL, wanted & WORD)),
    ]


def _search(intervals: Sequence[tuple[int, Block]]) -> Block:
    """Halves until one is left. Jumps are absolute where a half may exceed 255 instructions."""
    if len(intervals) == 1:
        return intervals[0][1]
    middle = len(intervals) // 2
    below, above = _search(intervals[:middle]), _search(intervals[middle:])
    return [(AT_LEAST, 0, 1, intervals[middle][0]), (JUMP, 0, 0, len(below)), *below, *above]
