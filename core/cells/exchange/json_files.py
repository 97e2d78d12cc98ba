"""Opening JSON files that somebody else wrote."""

import json
from pathlib import Path
from typing import Any, Final

from core.errors import InputError

LARGEST: Final = 2 << 30  # bytes


def load_json(path: Path, wanted: str) -> Any:
    """The content of a JSON file; InputError says what was ``wanted`` where it cannot be read as one."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: wanted {wanted}; there is no such file.")
    size = path.stat().st_size
    if size == 0 or size > LARGEST:
        raise InputError(f"{path.name}: wanted {wanted}; the file is {'empty' if size == 0 else 'larger than 2 GiB'}.")
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError, OSError) as error:
        raise InputError(f"{path.name}: wanted {wanted}; it cannot be read as JSON ({error or type(error).__name__}).") from error


def kind_of_json(content: Any) -> str:
    """ "coco", "geojson" or "" for anything else."""
    if isinstance(content, dict) and "annotations" in content and "images" in content:
        return "coco"
    features = content if isinstance(content, list) else [content]
    if features and all(isinstance(one, dict) and one.get("type") in ("Feature", "FeatureCollection") for one in features):
        return "geojson"
    return "geojson" if content == [] else ""


def what_it_is(content: Any) -> str:
    """The outside of a JSON value in few words, for messages."""
    if isinstance(content, dict):
        return f"an object with {', '.join(map(str, list(content)[:5])) or 'nothing in it'}"
    return f"a list of {len(content)}" if isinstance(content, list) else type(content).__name__
