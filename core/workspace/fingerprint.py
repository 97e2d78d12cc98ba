"""Short names that say what a product was made from: equal settings, equal id."""

import dataclasses
import hashlib
import json
import math
import re
import unicodedata
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any


def plain(value: Any) -> Any:
    """``value`` as what JSON knows: dataclasses and mappings to objects, paths to text, numpy scalars to numbers."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain(dataclasses.asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(plain(item) for item in value)
    if isinstance(value, PurePath):
        return value.as_posix()
    if hasattr(value, "item") and not isinstance(value, str | bytes):
        return value.item()
    return value


def _canonical(value: Any) -> Any:
    """1.0 becomes 1: a page and the command line may give the same number as different types."""
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return int(value)
    return value


def fingerprint(payload: Mapping[str, Any]) -> str:
    """8 hex digits of the SHA-256 of the canonical JSON. ValueError for NaN or infinity, TypeError for what JSON cannot hold."""
    text = json.dumps(_canonical(plain(payload)), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:8]


def slug(text: str) -> str:
    """Readable and safe as part of a file name: unicode letters and digits, ``_`` and ``-`` stay, at most 60 characters."""
    return re.sub(r"[^\w]+", "-", unicodedata.normalize("NFC", text)).strip("-_")[:60].strip("-_") or "product"


def product_id(stem: str, payload: Mapping[str, Any]) -> str:
    return f"{slug(stem)}-{fingerprint(payload)}"
