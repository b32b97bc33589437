"""The HTML of the page for people. Whatever comes from outside passes `_data` or `_whole`."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Iterable
from datetime import datetime
from urllib.parse import quote

from pydantic import ValidationError

from runner.gateway.asking import State
from runner.records.approval import PREFIX, Action, ApprovalRequest
from runner.records.decision import Proposal
from runner.text import exact, line

PATH = "/approvals"
STYLE = """
:root{color-scheme:light dark}
body{font:1rem/1.5 system-ui,sans-serif;margin:0 auto;max-width:50rem;padding:1rem}
h1,h2,dd,li,p{overflow-wrap:anywhere}
dt,legend,label{font-weight:bold}
dd{margin:0 0 .5rem}
pre,code{font-family:monospace;overflow-wrap:anywhere;white-space:pre-wrap;direction:ltr;
unicode-bidi:bidi-override}
pre{border:2px solid;padding:.5rem}
fieldset{margin:1rem 0}
fieldset label,button{display:block;min-height:2.75rem;font:inherit}
input[type=text]{box-sizing:border-box;display:block;width:100%;font:inherit;padding:.5rem}
button{margin-top:1rem;padding:0 1.5rem}
:focus-visible{outline:3px solid;outline-offset:2px}
"""
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
_WORDS = 500
OPEN: tuple[State, ...] = ("waiting", "approved")
"""What a person can still say something about: a yes that is not used can be taken back."""


def listed(requests: Iterable[ApprovalRequest]) -> str:
    """What waits, the oldest first."""
    rows = [
        f'<li><a href="{address(asked)}">Request {_data(asked.id)}</a>: '
        f"<code>{_data(asked.summary)}</code><br>"
        f"{_data(asked.kind)}, risk {_data(asked.risk)}, asked by {_data(asked.asker)}, "
        f"until {_time(asked.expires_at)}, digest <code>{_data(asked.action[:PREFIX])}</code></li>"
        for asked in requests
    ]
    found = f"<ul>{''.join(rows)}</ul>" if rows else "<p>Nothing waits.</p>"
    return _page("What waits for a person", found)


def shown(asked: ApprovalRequest, state: State, nonce: str) -> str:
    """One request whole, and the form to answer it while it can be answered."""
    label, content = _content(asked)
    return _page(
        f"Request {_data(asked.id)}",
        f"<p><a href='{PATH}'>Everything that waits</a></p>"
        f"<p>State: <strong>{_data(state)}</strong></p>"
        f"<dl>{_facts(asked)}</dl>"
        f'<h2 id="what">{label}</h2>'
        "<p>This is data of the one who asks, shown exactly. It is no instruction to you, and "
        "nothing in it speaks for this page.</p>"
        '<pre tabindex="0" role="region" dir="ltr" aria-labelledby="what">\n'
        f"{_whole(content)}</pre>"
        f"{_form(asked, nonce) if state in OPEN else ''}",
    )


def told(title: str, text: str) -> str:
    """Why something was not done."""
    return _page(
        _data(title), f"<p>{_data(text)}</p><p><a href='{PATH}'>Everything that waits</a></p>"
    )


def _facts(asked: ApprovalRequest) -> str:
    who = "any person" if asked.approvers is None else ", ".join(asked.approvers) or "nobody"
    facts = {
        "Summary, made by the machine": f"<code>{_data(asked.summary)}</code>",
        "Kind": _data(asked.kind),
        "Digest of the action": f"<code>{_data(asked.action)}</code>",
        "Digest of the policy": f"<code>{_data(asked.policy)}</code>",
        "Level": _data(str(asked.level)),
        "Risk": _data(asked.risk),
        "Asked by": _data(asked.asker),
        "On behalf of": _data(asked.author) or "nobody who is named",
        "Run or piece of work, as the client names it": f"<code>{_data(asked.run)}</code>",
        "Who may approve": _data(who),
        "Asked at": _time(asked.asked_at),
        "Expires at": _time(asked.expires_at),
    }
    return "".join(f"<dt>{name}</dt><dd>{fact}</dd>" for name, fact in facts.items())


def _content(asked: ApprovalRequest) -> tuple[str, str]:
    """What that is called, as HTML, and what would be allowed, as it is."""
    try:
        if asked.kind == "command":
            action = Proposal.model_validate_json(asked.content)
            return f"The command, exactly, for {_whole(json.dumps(action.tools))}", action.code
        change = Action.model_validate_json(asked.content)
    except ValidationError:
        return "The action, which cannot be read", asked.content
    names = {"tree": change.tree, "base": change.base, "to": change.remote, "for": change.target}
    look = f"the diff: codex-runner approvals show {asked.id}"
    return "What is published", "\n".join((*(f"{k} {v}" for k, v in names.items()), look))


def _form(asked: ApprovalRequest, nonce: str) -> str:
    return (
        f'<h2>Your word</h2><form method="post" action="{address(asked)}" autocomplete="off">'
        f'<input type="hidden" name="nonce" value="{_data(nonce)}">'
        "<fieldset><legend>It counts once, for exactly this; a no is final</legend>"
        '<label><input type="radio" name="word" value="yes" required> Approve</label>'
        '<label><input type="radio" name="word" value="no" required> Deny</label></fieldset>'
        f'<label for="digits">The first {PREFIX} digits (or more) of the digest of the action'
        '</label><input type="text" id="digits" name="digits" required spellcheck="false" '
        f'autocapitalize="none" minlength="{PREFIX}" maxlength="64" '
        f'pattern="[0-9a-fA-F]{{{PREFIX},64}}" title="{PREFIX} to 64 hexadecimal digits">'
        '<p><label for="reason">Why (optional)</label>'
        '<input type="text" id="reason" name="reason" maxlength="500"></p>'
        '<button type="submit">Send</button></form>'
    )


def _page(title: str, inside: str) -> str:
    """Both are HTML."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title} - codex-runner</title><style>{STYLE}</style></head>"
        f"<body><main><h1>{title}</h1>{inside}</main></body></html>"
    )


def address(asked: ApprovalRequest) -> str:
    """Its path."""
    return f"{PATH}/{quote(asked.id)}"


def _time(at: datetime) -> str:
    return f'<time datetime="{at:%FT%TZ}">{at:%F %T}Z</time>'


def _data(text: str) -> str:
    """One line; what cannot be seen is spelled out."""
    return html.escape(line(text, _WORDS))


def _whole(text: str) -> str:
    """All of it; two texts that differ never look the same."""
    return html.escape(exact(text))
