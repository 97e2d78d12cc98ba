"""What every reader and writer needs around its file: kind by content, room in memory, quiet guards, atomic writing."""

import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from core.errors import InputError
from core.memory import free_memory

LARGEST_SIDE = 2**17
"""Pixels; no microscope field is wider, and a broken header easily is."""

_KINDS = (
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"BM", "BMP"),
    (b"\xda\xce\xbe\x0a", "ND2"),
    (b"\0\0\0\x0cjP  ", "ND2 or JPEG 2000"),
    (b"ZISRAWFILE", "CZI"),
    (b"\x70\0\0\0", "LIF"),
    (b"GIF8", "a GIF"),
    (b"PK\x03\x04", "a ZIP archive (or an Office document)"),
    (b"%PDF", "a PDF"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\xd0\xcf\x11\xe0", "an OLE file (old Zeiss, Olympus or Office)"),
)
READABLE = "TIFF, PNG, JPEG, BMP, ND2, CZI or LIF"


def kind_of(path: Path) -> str:
    """The format by the first bytes, whatever the name says: "TIFF", "PNG", "JPEG", "BMP", "ND2", "CZI" or "LIF".

    Raises
    ------
    InputError
        No such file, not readable, empty, or of none of these formats.
    """
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file. Check the name and the folder.") from None
    except IsADirectoryError:
        raise InputError(f"{path}: wanted an image file, found a folder.") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be opened ({error}).") from None
    if not head:
        raise InputError(f"{path.name}: the file is empty (0 bytes). Copy or export it again.")
    kind = next((kind for start, kind in _KINDS if head.startswith(start)), "")
    if kind == "ND2 or JPEG 2000":
        kind = "ND2" if path.suffix.lower() == ".nd2" else "a JPEG 2000 image"
    if kind in ("TIFF", "PNG", "JPEG", "BMP", "ND2", "CZI", "LIF"):
        return kind
    raise InputError(f"{path.name}: wanted an image ({READABLE}), found {kind or _looks_like(head)}.")


def _looks_like(head: bytes) -> str:
    if not head.strip(b"\0"):
        return "only zero bytes; the copy was probably interrupted"
    with suppress(UnicodeDecodeError):
        text = head[: max(len(head) - 3, 1)].decode("utf-8")  # the cut may split a character
        if all(char.isprintable() or char.isspace() for char in text):
            return f"text that starts with {text.strip()[:30]!r}"
    return "an unknown format"


@contextmanager
def guarded(path: Path) -> Iterator[None]:
    """Whatever a decoder raises on a broken file becomes one InputError; warnings of decoders stay inside.

    Decoders meet arbitrary bytes and raise nearly every exception there is, so all of them are caught here.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except InputError:
            raise
        except MemoryError:
            raise InputError(f"{path.name}: the image does not fit into the memory of this machine.") from None
        except Exception as error:
            raise broken(path, f"{type(error).__name__}: {error}") from error


def broken(path: Path, why: str) -> InputError:
    why = " ".join(why.split())[:200].rstrip(". ")
    return InputError(f"{path.name}: the file is damaged or incomplete ({why}). Copy or export it again.")


def check_size(path: Path, height: int, width: int, nbytes: int) -> None:
    """Refuse an image without pixels, with an absurd side, or one that cannot be held (a decompression bomb)."""
    if height < 1 or width < 1:
        raise InputError(f"{path.name}: wanted an image with pixels, found {height} x {width} px.")
    if max(height, width) > LARGEST_SIDE:
        raise InputError(f"{path.name}: {height} x {width} px found, at most {LARGEST_SIDE} px a side can be read. Cut it into tiles.")
    room = free_memory()
    if 2 * nbytes > room:
        raise InputError(
            f"{path.name}: {height} x {width} px need about {2 * nbytes / 1e9:.1f} GB while being read, "
            f"and {room / 1e9:.1f} GB are free. Cut the image into tiles, or use a machine with more memory."
        )


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside ``path`` to write to; it takes the place of ``path`` only when all went well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
