"""A log that nobody edits unseen: every entry carries the SHA-256 of the one before it and of itself.

An entry that is changed, removed from the middle, inserted or moved breaks the chain from there on. Entries cut off at the end
leave a chain that is whole but shorter: whoever has written down the last hash (``head``), as reports do, sees that too.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Final

from core.errors import InputError
from core.workspace.json_lines import JsonLines

FIRST: Final = "0" * 64  # the hash that the first entry follows
_OWN: Final = ("number", "time", "previous", "hash")


@dataclass(frozen=True)
class AuditLog:
    """Entries: ``number`` from 1, ``time`` (ISO 8601, UTC), what was said, ``previous`` and ``hash``."""

    file: JsonLines

    def entries(self) -> list[dict[str, Any]]:
        """Oldest first, also where the chain is broken (``problems`` says so). InputError for a line that is no JSON."""
        return self.file.rows()

    def add(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """Add an entry and return it; it is on the disk then.

        Raises
        ------
        InputError
            The chain is broken: nothing is added to a log that somebody changed.
        """
        with self.file.held():
            known = self.entries()
            if wrong := chain_problems(known):
                raise InputError(f"{self.file.path}: {wrong[0]} Nothing was added. Restore the file from a copy (every ZIP and report has one).")
            time = datetime.now(timezone.utc).isoformat(timespec="seconds")
            entry = {"number": len(known) + 1, "time": time, **{k: v for k, v in said.items() if k not in _OWN}, "previous": head(known)}
            entry["hash"] = digest(entry)
            self.file.append(entry)
            return entry

    def problems(self, heads: Iterable[str] = ()) -> list[str]:
        """What shows that the log was changed after it was written; ``heads``: hashes that were noted elsewhere as its last one."""
        known = self.entries()
        found = chain_problems(known)
        there = {FIRST, *(entry.get("hash") for entry in known)}
        if not found and any(noted not in there for noted in heads):
            found.append("An entry that a report has noted is no longer there: the end of the log was cut off.")
        return found


def head(entries: list[dict[str, Any]]) -> str:
    """Hash of the last entry."""
    return str(entries[-1].get("hash", "")) if entries else FIRST


def digest(entry: Mapping[str, Any]) -> str:
    """SHA-256 over everything an entry says but its own hash, keys sorted."""
    said = {key: value for key, value in entry.items() if key != "hash"}
    return hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")).hexdigest()


def chain_problems(entries: list[dict[str, Any]]) -> list[str]:
    """The first break of the chain, in words; [] where it is whole."""
    before = FIRST
    for number, entry in enumerate(entries, start=1):
        if entry.get("hash") != digest(entry):
            return [f"Entry {number} was changed after it was written."]
        if entry.get("previous") != before or entry.get("number") != number:
            return [f"An entry before entry {number} was removed, inserted or moved."]
        before = str(entry["hash"])
    return []
