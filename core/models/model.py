"""One model and its folder: ``model.json``, the card, the weights."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal, cast, get_args

from core.errors import InputError
from core.workspace import read_json

Kind = Literal["segmenter", "classifier"]
Source = Literal["embedded", "zoo", "library", "file"]
KINDS: Final = get_args(Kind)
DESCRIPTION: Final = "model.json"
CARD: Final = "card.md"
GALLERY: Final = "gallery.jpg"


@dataclass(frozen=True)
class Model:
    """A network by name, with where it comes from."""

    name: str
    kind: Kind
    source: Source
    path: Path | None  # of the weights; None: in the zoo, not downloaded yet
    sha256: str
    licence: str
    summary: str
    card: str  # markdown
    simulated: bool  # trained on simulated cells only

    @property
    def warning(self) -> str:
        """What a reader of its results must know, or an empty text."""
        if not self.simulated:
            return ""
        what = "calls on real cells" if self.kind == "classifier" else "outlines of real cells"
        return f"The {self.kind} {self.name} was trained on simulated cells only. It shows how the app works; its {what} mean nothing."

    @property
    def gallery(self) -> Path | None:
        """A picture of fields that it outlines or calls worst, where its folder holds one."""
        picture = self.path.parent / GALLERY if self.path and self.source in ("embedded", "library") else None
        return picture if picture and picture.is_file() else None

    def record(self) -> dict[str, Any]:
        """What ``settings.json`` of a product keeps of the model."""
        kept = ("name", "kind", "source", "sha256", "licence", "summary", "simulated")
        return {name: getattr(self, name) for name in kept} | {"file": self.path.name if self.path else ""}


def read_model(folder: Path) -> Model:
    """The model in ``folder``; InputError where its description is missing or damaged. The weights are not looked at."""
    about = read_json(folder / DESCRIPTION)
    for key in ("kind", "file", "sha256", "source"):
        if not isinstance(about.get(key), str) or not about[key]:
            raise InputError(f"{folder / DESCRIPTION}: wanted a text under '{key}', found {about.get(key)!r}. Add the model again.")
    if about["kind"] not in KINDS or about["source"] not in get_args(Source):
        raise InputError(f"{folder / DESCRIPTION}: found a model of kind {about['kind']!r} from {about['source']!r}, which is not known here.")
    if Path(about["file"]).name != about["file"]:
        raise InputError(f"{folder / DESCRIPTION}: wanted a file in the same folder, found {about['file']!r}.")
    card = folder / str(about.get("card") or CARD)
    return Model(
        name=folder.name,
        kind=cast(Kind, about["kind"]),
        source=cast(Source, about["source"]),
        path=folder / about["file"],
        sha256=about["sha256"],
        licence=str(about.get("licence", "")),
        summary=str(about.get("summary", "")),
        card=card.read_text(encoding="utf-8") if card.is_file() else "",
        simulated=bool(about.get("simulated", False)),
    )


def sha256_of(path: Path) -> str:
    """SHA-256 of a file; remembered as long as the file is not touched."""
    state = path.stat()
    return _hash(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=64)
def _hash(path: Path, changed: int, size: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
