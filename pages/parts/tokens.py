"""Signed tokens: what the browser may fetch or send, written into an address that nobody else can make up.

The secret lies in the workspace, so a restart of the app does not break open tabs. A token lives for 24 to 25 hours:
the time is rounded to the hour so that the same picture keeps the same address and the browser its copy.
"""

import base64
import binascii
import hashlib
import hmac
import json
import os
import secrets
import time
from pathlib import Path
from typing import Any

from core.workspace import file_errors, workspace_root

LIFETIME_S = 24 * 3600
ROUNDING_S = 3600
_SECRET_FILE = ".secret"
_BYTES = 32


class BadToken(Exception):
    """Not ours, changed on the way, for another purpose, or too old."""


def sign(purpose: str, content: dict[str, Any], now: float | None = None) -> str:
    """A token for ``content`` (JSON values), good for ``purpose`` only; letters, digits, ``-``, ``_`` and one dot."""
    started = int((time.time() if now is None else now) // ROUNDING_S) * ROUNDING_S
    payload = {**content, "for": purpose, "until": started + ROUNDING_S + LIFETIME_S}
    body = _text(json.dumps(payload, separators=(",", ":"), sort_keys=True).encode())
    return f"{body}.{_text(_mac(body))}"


def read(purpose: str, token: str, now: float | None = None) -> dict[str, Any]:
    """The content of a token. Raises BadToken with a sentence for the user."""
    body, _, mac = token.partition(".")
    try:
        genuine = hmac.compare_digest(_bytes(mac), _mac(body))
        content = json.loads(_bytes(body)) if genuine else {}
    except (ValueError, binascii.Error):
        genuine = False
    if not genuine or content.pop("for", "") != purpose:
        raise BadToken("This address was not made by this app. Reload the page.")
    if content.pop("until", 0) < (time.time() if now is None else now):
        raise BadToken("This page has been open for more than a day. Reload it.")
    return content


def _mac(body: str) -> bytes:
    return hmac.new(_secret(), body.encode("ascii", "replace"), hashlib.sha256).digest()


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


_known: dict[Path, bytes] = {}


def _secret() -> bytes:
    path = workspace_root() / _SECRET_FILE
    if path not in _known:
        with file_errors(path, "keep the secret of this workspace"):
            _known[path] = _make(path)
    return _known[path]


def _make(path: Path) -> bytes:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    except FileExistsError:
        return _existing(path)
    with os.fdopen(handle, "wb") as file:
        file.write(secrets.token_bytes(_BYTES))
    return path.read_bytes()


def _existing(path: Path, patience_s: float = 2.0) -> bytes:
    """The secret that another process made, perhaps just now; a damaged one is replaced."""
    give_up = time.monotonic() + patience_s
    while len(secret := path.read_bytes()) != _BYTES:
        if time.monotonic() > give_up:
            path.unlink(missing_ok=True)
            return _make(path)
        time.sleep(0.02)
    return secret
