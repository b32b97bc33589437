"""codex-runner: a sandboxed CI runner around `codex exec`."""

import sys
from types import ModuleType
from typing import cast

# httpx tries to import its own command line, and 130 ms of rich and pygments with it
sys.modules.setdefault("httpx._main", cast(ModuleType, None))

__version__ = "0.1.0"
