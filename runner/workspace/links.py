"""Symbolic links of the resulting tree must not lead out of it, not even through each other."""

from __future__ import annotations

from collections.abc import Callable

from runner.workspace.names import COVERED, identity, is_dot_git
from runner.workspace.trees import join

MAX_STEPS = 40
"""As many links as Linux follows (path_resolution(7))."""

_COVERED = frozenset(map(identity, COVERED))

Target = Callable[[bytes], bytes | None]
"""Where the link at a path points, None when there is no link."""


def escapes(path: bytes, target: bytes, link_at: Target) -> str | None:
    """Why the link at `path` must be refused, or None.

    1. An absolute target means another file on every machine.
    2. Each component is taken as the kernel takes it: through links, `..` from where they lead.
    3. Leaving the root, or more than 40 links, is refused. A dangling link inside is fine.
    4. So is passing what some file system takes for `.git`, or a covered name at the root: whoever
       checks the branch out and writes through such a link would write his own hooks.
    """
    place = path.rpartition(b"/")[0]
    steps = 0
    todo = [target]
    while todo:
        rest = todo.pop()
        if rest.startswith(b"/"):
            return "an absolute symbolic link"
        part, _, more = rest.partition(b"/")
        if more.strip(b"/"):
            todo.append(more.lstrip(b"/"))
        if part == b"..":
            if not place:
                return "a symbolic link out of the repository"
            place = place.rpartition(b"/")[0]
        elif part not in (b"", b"."):
            below = join(place, part)
            if is_dot_git(part) or identity(below) in _COVERED:
                return "a symbolic link into a protected directory"
            onward = link_at(below)
            if onward is None:
                place = below
            else:
                steps += 1
                todo.append(onward)
        if steps > MAX_STEPS:
            return "a symbolic link that leads through more than 40 others"
    return None
