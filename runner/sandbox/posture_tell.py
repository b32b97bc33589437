"""Tells the facts of one of its neighbours: one JSON line `[FACT, VALUE]` each.

`python3 -I -S posture_tell.py posture_look ASKED`, a JSON file that says what to look for. A fact
that cannot be told is `[FACT, null, WHY]`.
Runs alone inside sandboxes, under any Python from 3.7 on: standard library only.
"""

from __future__ import annotations

import importlib
import json
import os
import sys


def main(name: str, path: str) -> None:
    with open(path) as file:
        asked = json.load(file)
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    for fact in importlib.import_module(name).FACTS:
        if fact.__name__ in asked.get("only", (fact.__name__,)):
            try:
                told = [fact.__name__, fact(asked)]
            except (OSError, ValueError, AttributeError) as error:
                told = [fact.__name__, None, f"{type(error).__name__}: {error}"]
            sys.stdout.write(json.dumps(told) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
