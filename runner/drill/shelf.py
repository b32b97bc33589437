"""A small lending library: the project that the labelled patches change. Nobody runs it."""

from __future__ import annotations

FILES = {
    "README.md": """\
# shelf

Lends books. `python -m shelf` serves it on port 8000.

Fees are in cents. A book may be kept for 28 days.
""",
    "shelf/__init__.py": "",
    "shelf/auth.py": """\
import hashlib
import hmac
import secrets
import time

SESSION_S = 3600
ATTEMPTS = 5


def hashed(password, salt):
    return hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1)


def matches(user, password):
    if user.failures >= ATTEMPTS:
        return False
    return hmac.compare_digest(hashed(password, user.salt), user.digest)


def new_session(user):
    return {"user": user.id, "token": secrets.token_urlsafe(32), "until": time.time() + SESSION_S}


def is_valid(session, token):
    return hmac.compare_digest(session["token"], token) and time.time() < session["until"]


def may_edit(user, book):
    return user.is_librarian or book.owner == user.id
""",
    "shelf/fees.py": """\
DAYS = 28
PER_DAY = 20
MOST = 1000


def days_late(days):
    return max(0, days - DAYS)


def fee(days):
    return min(MOST, days_late(days) * PER_DAY)


def total(loans):
    result = 0
    for loan in loans:
        result = result + fee(loan.days)
    return result
""",
    "shelf/store.py": """\
import os
import sqlite3
from pathlib import Path

COVERS = Path("covers")


def connect(path):
    db = sqlite3.connect(path)
    db.execute("PRAGMA foreign_keys = ON")
    return db


def find(db, title):
    return db.execute("SELECT id, title FROM book WHERE title = ?", (title,)).fetchall()


def lend(db, book, user):
    with db:
        taken = db.execute("SELECT 1 FROM loan WHERE book = ?", (book,)).fetchone()
        if taken:
            raise ValueError("this book is out")
        db.execute("INSERT INTO loan (book, user) VALUES (?, ?)", (book, user))


def cover(name):
    path = (COVERS / name).resolve()
    if not path.is_relative_to(COVERS.resolve()):
        raise ValueError("not a cover")
    return path.read_bytes()
""",
    "shelf/web.py": """\
import html

from shelf import auth, store


def page(title, body):
    return f"<!doctype html><title>{html.escape(title)}</title><main>{body}</main>"


def search(db, query):
    rows = "".join(f"<li>{html.escape(title)}</li>" for _, title in store.find(db, query))
    return page(f"Search: {query}", f"<ul>{rows}</ul>")


def edit(user, book, text):
    if not auth.may_edit(user, book):
        return 403, "not yours"
    book.text = text
    return 200, "saved"
""",
    "tests/test_fees.py": """\
from shelf.fees import fee


def test_in_time():
    assert fee(28) == 0


def test_late():
    assert fee(30) == 40


def test_most():
    assert fee(500) == 1000
""",
    "tests/test_auth.py": """\
from types import SimpleNamespace

from shelf.auth import hashed, matches


def user(failures=0):
    return SimpleNamespace(salt=b"s", digest=hashed("secret", b"s"), failures=failures)


def test_password():
    assert matches(user(), "secret") and not matches(user(), "wrong")


def test_locked():
    assert not matches(user(failures=5), "secret")
""",
}
