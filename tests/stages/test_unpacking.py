"""ZIPs from somebody else: names, bad archives, full disks. Nothing may land outside the folder."""

import errno
import stat
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from core.errors import Cancelled, InputError
from core.stages import unpacking
from core.stages.unpacking import entries, opened, unpack


def packed(path: Path, files: Mapping[str, bytes], change: Callable[[zipfile.ZipInfo], None] = lambda info: None) -> Path:
    """A ZIP of ``files``; ``change`` may falsify what the archive says of each."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            change(info)
            archive.writestr(info, content)
    return path


def unpacked(path: Path, target: Path) -> dict[str, bytes]:
    with opened(path) as archive:
        unpack(archive, entries(archive, lambda name: True), target)
    return {p.relative_to(target).as_posix(): p.read_bytes() for p in target.rglob("*") if p.is_file()}


def test_files_come_out_as_they_went_in(tmp_path: Path) -> None:
    files = {"train/senescent/1.png": b"one", "train/Überschuß/日本 2.png": b"two", "manifest.csv": b"file\n"}
    assert unpacked(packed(tmp_path / "a.zip", files), tmp_path / "out") == files


def test_hidden_files_and_those_not_wanted_stay_inside(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", dict.fromkeys(("a/1.png", "__MACOSX/a/._1.png", "a/.DS_Store", ".hidden/2.png", "a/notes.txt", "a/"), b"x"))
    with opened(path) as archive:
        assert list(entries(archive, lambda name: name.endswith((".png", ".DS_Store")))) == ["a/1.png"]


def test_names_of_other_systems(tmp_path: Path) -> None:
    """Windows' backslashes, accents apart as macOS writes them, UTF-8 that does not say so, characters that Windows has no files for."""

    class Silent(zipfile.ZipInfo):
        def _encodeFilenameFlags(self) -> tuple[bytes, int]:
            return self.filename.encode("utf-8"), self.flag_bits & ~0x800

    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for info in (zipfile.ZipInfo("a\\1.png"), zipfile.ZipInfo("u\u0308/2.png"), Silent("ö/3.png"), zipfile.ZipInfo("a/10:30?.png")):
            archive.writestr(info, b"x")
    assert sorted(unpacked(path, tmp_path / "out")) == ["a/1.png", "a/10_30_.png", "ö/3.png", "ü/2.png"]


@pytest.mark.parametrize("name", ["../1.png", "a/../../1.png", "/etc/1.png", "..\\1.png", "C:\\1.png", "C:1.png", "\\\\server\\1.png", "../notes.txt"])
def test_a_path_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    path = packed(tmp_path / "bad.zip", {"a/1.png": b"x", name: b"x"})
    with opened(path) as archive, pytest.raises(InputError, match=r"^bad\.zip: the path .* leads out of the folder"):
        entries(archive, lambda one: one.endswith(".png"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.zip"]


def test_a_link_is_refused(tmp_path: Path) -> None:
    def link(info: zipfile.ZipInfo) -> None:
        info.external_attr = (stat.S_IFLNK | 0o777) << 16

    with pytest.raises(InputError, match=r"a/1\.png in it is a link"):
        unpacked(packed(tmp_path / "a.zip", {"a/1.png": b"/etc/passwd"}, link), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_encrypted_archive_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", {"a/1.png": b"x" * 50})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"encrypted\. Pack the folder again without a password"):
        unpacked(path, tmp_path / "out")


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04" + b"\0" * 100])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(InputError, match=r"^a\.zip: wanted a whole ZIP archive; it is none, or it is damaged"):
        unpacked(tmp_path / "a.zip", tmp_path / "out")


def test_an_archive_that_is_gone_or_cut_short_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^a\.zip: there is no such file"):
        unpacked(tmp_path / "a.zip", tmp_path / "out")
    path = packed(tmp_path / "b.zip", {"a/1.png": bytes(5000)})
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(InputError, match=r"^b\.zip: wanted a whole ZIP archive"):
        unpacked(path, tmp_path / "out")


def test_whatever_is_damaged_is_an_input_error(tmp_path: Path) -> None:
    whole = packed(tmp_path / "a.zip", {f"a/{i}.png": bytes(range(200)) for i in range(3)}, lambda info: setattr(info, "compress_type", 8)).read_bytes()
    rng, refused = np.random.default_rng(0), 0
    for number in range(300):
        content = bytearray(whole)
        for place in rng.integers(0, len(content), 4):
            content[place] = rng.integers(0, 256)
        path = tmp_path / "damaged.zip"
        path.write_bytes(content)
        try:
            unpacked(path, tmp_path / f"out{number}")
        except InputError:  # anything else fails the test
            refused += 1
    assert refused > 100


def test_a_way_of_packing_that_is_not_known_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", {"a/1.png": b"x" * 50})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 10] = content[8] = 97
    path.write_bytes(content)
    with pytest.raises(InputError, match="Pack it again as an ordinary ZIP"):
        unpacked(path, tmp_path / "out")


def test_the_same_path_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds a/1\.png twice"):
        unpacked(packed(tmp_path / "a.zip", {"a/1.png": b"x", "./a//1.png": b"y"}), tmp_path / "out")


def test_more_than_the_disk_can_take_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/1.png", bytes(20 << 20))
    monkeypatch.setattr(unpacking.shutil, "disk_usage", lambda place: SimpleNamespace(free=unpacking.RESERVE + (10 << 20)))
    with pytest.raises(InputError, match=r"^bomb\.zip: unpacked it takes 20 MB, and 10 MB are free"):
        unpacked(tmp_path / "bomb.zip", tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_an_entry_never_becomes_larger_than_it_says(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "liar.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/1.png", bytes(5 << 20))
    content = bytearray((tmp_path / "liar.zip").read_bytes())
    at = content.index(b"PK\x01\x02") + 24
    content[at : at + 4] = (1000).to_bytes(4, "little")
    (tmp_path / "liar.zip").write_bytes(content)
    with pytest.raises(InputError, match=r"^liar\.zip: wanted a whole ZIP archive"):
        unpacked(tmp_path / "liar.zip", tmp_path / "out")
    assert (tmp_path / "out" / "a" / "1.png").stat().st_size <= 1000


def test_a_disk_that_fills_up_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(unpacking.shutil, "copyfileobj", full)
    with pytest.raises(InputError, match=r"cannot unpack: the disk is full\. Free some space"):
        unpacked(packed(tmp_path / "a.zip", {"a/1.png": b"x"}), tmp_path / "out")


def test_it_can_be_cancelled(tmp_path: Path) -> None:
    def cancel(done: float, total: float, item: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled), opened(packed(tmp_path / "a.zip", {"a/1.png": b"x"})) as archive:
        unpack(archive, entries(archive, lambda name: True), tmp_path / "out", cancel)
