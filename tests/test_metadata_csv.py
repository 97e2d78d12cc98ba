"""CSV tables of metadata as Excel saves them."""

import io
import zipfile

import pytest

from core.errors import InputError
from core.metadata_csv import metadata_table

TEXT = 'fov_id;sample;condition\r\na;Müller;"x; y"\r\nb;Größe\r\n;;\r\n'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_every_encoding_that_excel_writes_is_read(encoding: str) -> None:
    table = metadata_table(TEXT.encode(encoding), "meta.csv")
    assert table.to_dict("list") == {"fov_id": ["a", "b"], "sample": ["Müller", "Größe"], "condition": ["x; y", ""]}


@pytest.mark.parametrize("text", ["fov_id,sample\na,x\n", "fov_id\tsample\na\tx", "fov_id;sample;;\na;x;;\n"])
def test_separators_and_empty_columns_behind(text: str) -> None:
    assert metadata_table(text.encode(), "meta.csv").to_dict("list") == {"fov_id": ["a"], "sample": ["x"]}


def workbook() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (workbook(), "CSV UTF-8"),
        (b"fov_id,sample\0\na,x\n", "CSV UTF-8"),
        (b"", "an empty file"),
        (b"\n;;\n", "an empty file"),
        (b"fov_id,fov_id\na,b\n", "'fov_id' occurs more than once"),
        (b"fov_id,,sample\na,b,c\n", "no name"),
        (b"fov_id,sample\na,b,c\n", "row 2 has 3 cells"),
        (b'fov_id,sample\n"a,b\n', "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_said_in_plain_words(data: bytes, said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        metadata_table(data, "meta.csv")
    assert str(error.value).startswith("meta.csv: ")
    assert "codec" not in str(error.value)
