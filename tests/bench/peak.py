"""`python peak.py FILE ARGUMENTS...`: codex-runner itself; its peak memory in kB goes to FILE.

Of this process alone: `ru_maxrss` would count what it started.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path


def main() -> None:
    target = Path(sys.argv.pop(1))
    from runner.cli.main import main as runner

    try:
        runner()
    finally:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
        target.write_text(found[1] if found else "")


if __name__ == "__main__":
    main()
