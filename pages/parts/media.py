"""HTTP routes of the app: the pictures and label images of the viewer, and uploads. No Streamlit in here.

``GET /api/picture/{token}``  an 8-bit preview: PNG, or JPEG for large fields
``GET /api/labels/{token}``   a label image, rows of little-endian uint16 or uint32, sent as gzip
``GET /api/critical/{token}`` the stain of the cells of a field, ``GET /api/signal/{token}`` of its pixels: threshold_bytes.py
``GET /api/crop/{token}``     see curation_crops.py
``POST /api/upload``          see receiving.py

Both pictures are whole up to ``LONGEST_SIDE``; above that they are reduced by the same whole number (``reduction``).
"""

import gzip
import io
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from core.errors import InputError
from pages.parts import curation_crops, receiving, threshold_bytes, tokens

if TYPE_CHECKING:
    from core.images import Plane

LONGEST_SIDE = 4096  # px; a larger picture costs a browser more memory than a screen can show
LOSSLESS_UP_TO = 1_200_000  # px; above that a JPEG is several times smaller and ten times faster to make
CACHE_BYTES = 256 * 2**20
PICTURE, LABELS, CRITICAL, SIGNAL = "picture", "labels", "critical", "signal"


def routes(base: str = "") -> list[Route]:
    """The routes for ``st.App``; ``base`` is Streamlit's ``server.baseUrlPath``."""
    prefix = _prefix(base)
    return [
        *(Route(f"{prefix}/api/{kind}/{{token}}", _endpoint(kind)) for kind in (PICTURE, LABELS, CRITICAL, SIGNAL)),
        Route(f"{prefix}/api/crop/{{token}}", curation_crops.respond),
        Route(f"{prefix}/api/upload", receiving.upload, methods=["POST"]),
    ]


def picture_url(path: Path, plane: "Plane | None" = None, base: str = "") -> str:
    """The address of the preview of an image file, or of one plane of it. It changes when the file changes."""
    content = _content(path)
    if plane is not None and plane != type(plane)():
        content["plane"] = [plane.channel, plane.z, plane.time, plane.position]
    return f"{_prefix(base)}/api/picture/{tokens.sign(PICTURE, content)}"


def labels_url(path: Path, base: str = "") -> str:
    """The address of a label image."""
    return f"{_prefix(base)}/api/labels/{tokens.sign(LABELS, _content(path))}"


def critical_url(path: Path, base: str = "") -> str:
    """The address of the stain of a field's cells; ``path``: its counts."""
    return f"{_prefix(base)}/api/critical/{tokens.sign(CRITICAL, _content(path))}"


def signal_url(path: Path, base: str = "") -> str:
    """The address of the stain signal of a field."""
    return f"{_prefix(base)}/api/signal/{tokens.sign(SIGNAL, _content(path))}"


def upload_url(base: str = "") -> str:
    return f"{_prefix(base)}/api/upload"


def reduction(height: int, width: int) -> int:
    """The whole number by which both sides of a field are divided (rounded up) for the screen."""
    return max(1, -(-max(height, width) // LONGEST_SIDE))


def _prefix(base: str) -> str:
    return f"/{base.strip('/')}" if base.strip("/") else ""


def version(path: Path) -> str:
    """Another text whenever the file is another one; "" where it is missing (the viewer then says so)."""
    try:
        there = path.stat()
    except OSError:
        return ""
    return f"{there.st_mtime_ns:x}-{there.st_size:x}"


def _content(path: Path) -> dict[str, Any]:
    return {"path": str(path), "version": version(path)}


def size(path: Path, plane: "Plane | None" = None) -> tuple[int, int]:
    """Height and width of an image file in pixels, without reading the pixels. Raises InputError."""
    from core.images import inspect

    layouts = inspect(path).layouts
    position = (plane.position or 0) if plane else 0
    height, width = layouts[min(position, len(layouts) - 1)].plane_shape[:2]
    return height, width


def picture(path: Path, plane: "Plane | None") -> tuple[bytes, str]:
    """Encoded 8-bit preview and its media type. Raises InputError."""
    from core.images import preview, read

    pixels = preview(read(path, plane).pixels)
    image = Image.fromarray(np.ascontiguousarray(pixels))
    factor = reduction(image.height, image.width)
    if factor > 1:
        image = image.reduce(factor)
    buffer = io.BytesIO()
    if image.width * image.height <= LOSSLESS_UP_TO:
        image.save(buffer, "PNG", compress_level=2)
        return buffer.getvalue(), "image/png"
    image.save(buffer, "JPEG", quality=92, subsampling=0)
    return buffer.getvalue(), "image/jpeg"


def labels(path: Path) -> tuple[bytes, str]:
    """Gzipped little-endian labels, row by row, two bytes each or four where needed. Raises InputError."""
    from core.images import read_labels

    whole = read_labels(path)
    factor = reduction(*whole.shape)
    small = whole[::factor, ::factor]
    narrow = small.astype("<u2" if whole.max(initial=0) < 2**16 else "<u4")
    return gzip.compress(narrow.tobytes(), compresslevel=1, mtime=0), "application/octet-stream"


@dataclass(frozen=True)
class _Entry:
    body: bytes
    media_type: str


class ByteCache:
    """Keeps what was made last, up to ``limit`` bytes; two requests for the same thing make it once."""

    def __init__(self, limit: int) -> None:
        self.limit, self.used = limit, 0
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._making: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: str, make: Callable[[], tuple[bytes, str]]) -> _Entry:
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
                return self._entries[key]
            busy = self._making.setdefault(key, threading.Lock())
        with busy:
            with self._lock:
                if key in self._entries:
                    return self._entries[key]
            try:
                entry = _Entry(*make())
                self._keep(key, entry)
            finally:
                with self._lock:
                    self._making.pop(key, None)
        return entry

    def _keep(self, key: str, entry: _Entry) -> None:
        if len(entry.body) > self.limit:
            return
        with self._lock:
            self.used += len(entry.body) - len(self._entries[key].body if key in self._entries else b"")
            self._entries[key] = entry
            while self.used > self.limit:
                self.used -= len(self._entries.popitem(last=False)[1].body)


_cache = ByteCache(CACHE_BYTES)
small_pictures = ByteCache(CACHE_BYTES // 4)


def _endpoint(kind: str) -> Callable[[Request], Response]:
    def respond(request: Request) -> Response:  # not async: Starlette runs it in a thread
        try:
            content = tokens.read(kind, request.path_params["token"])
        except tokens.BadToken as problem:
            return PlainTextResponse(str(problem), 403)
        return _picture_response(kind, content, request.headers.get("if-none-match", ""))

    return respond


def _picture_response(kind: str, content: dict[str, Any], known: str) -> Response:
    path, plane = Path(content["path"]), content.get("plane")
    if not path.is_file():
        return PlainTextResponse(f"{path.name} is not in its place any more.", 404)
    key = f"{kind}:{content}"
    tag = f'"{kind[0]}{content["version"]}"'
    keep = {"ETag": tag, "Cache-Control": "private, max-age=86400, immutable", "X-Content-Type-Options": "nosniff"}
    if tag in known:
        return Response(status_code=304, headers=keep)
    try:
        made = _cache.get(key, lambda: _made(kind, path, plane))
    except InputError as problem:
        return PlainTextResponse(str(problem), 422)
    if kind != PICTURE:
        keep["Content-Encoding"] = "gzip"
    return Response(made.body, media_type=made.media_type, headers=keep)


def _made(kind: str, path: Path, plane: list[int | None] | None) -> tuple[bytes, str]:
    if kind == CRITICAL:
        return threshold_bytes.critical(path)
    if kind == SIGNAL:
        return threshold_bytes.signal(path, LONGEST_SIDE)
    return labels(path) if kind == LABELS else picture(path, _plane(plane))


def _plane(numbers: list[int | None] | None) -> "Plane | None":
    from core.images import Plane

    return None if numbers is None else Plane(*numbers)
