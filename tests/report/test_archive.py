import zipfile

import pytest

from core.errors import InputError
from core.report.archive import write_zip, zip_product


@pytest.fixture
def product(tmp_path):
    folder = tmp_path / "ærø-1a2b3c4d"
    (folder / "overlays").mkdir(parents=True)
    (folder / "cells.csv").write_text("a" * 1000, encoding="utf-8")
    (folder / "overlays" / "f1.jpg").write_bytes(b"\xff" * 1000)
    return folder


def test_zip_holds_every_file(product):
    with zipfile.ZipFile(zip_product(product)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["ærø-1a2b3c4d/cells.csv", "ærø-1a2b3c4d/overlays/f1.jpg"]
        assert archive.read("ærø-1a2b3c4d/cells.csv") == b"a" * 1000
        packed = {info.filename[-3:]: info.compress_size for info in archive.infolist()}
        assert packed["csv"] < 1000 == packed["jpg"]


def test_zip_to_a_file(product, tmp_path):
    write_zip(product, tmp_path / "out.zip")
    assert (tmp_path / "out.zip").read_bytes() == zip_product(product).read()


def test_nothing_to_pack(tmp_path):
    (tmp_path / "empty").mkdir()
    for folder in ("empty", "missing"):
        with pytest.raises(InputError, match="no files"):
            zip_product(tmp_path / folder)
