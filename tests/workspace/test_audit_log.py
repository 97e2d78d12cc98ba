"""A log whose later changes are seen: whatever is changed, removed, moved or cut off."""

import json
import threading
from pathlib import Path

import pytest

from core.errors import InputError
from core.workspace import AuditLog, JsonLines, head


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    return AuditLog(JsonLines(tmp_path / "log" / "a.jsonl", tmp_path / ".lock", "entry"))


def filled(log: AuditLog, *names: str) -> list[bytes]:
    for name in names:
        log.add({"name": name})
    return log.file.lines()


def write(log: AuditLog, lines: list[bytes]) -> None:
    log.file.path.write_bytes(b"".join(line + b"\n" for line in lines))


def test_entries_are_numbered_and_chained(log: AuditLog) -> None:
    filled(log, "Åse", "Bo", "Cai")
    entries = log.entries()
    assert [entry["number"] for entry in entries] == [1, 2, 3]
    assert [entry["name"] for entry in entries] == ["Åse", "Bo", "Cai"]
    assert entries[0]["previous"] == "0" * 64
    assert [entry["previous"] for entry in entries[1:]] == [entry["hash"] for entry in entries[:-1]]
    assert log.problems() == []
    assert log.problems([entries[1]["hash"], head(entries)]) == []


def test_an_empty_log_is_whole(log: AuditLog) -> None:
    assert (log.entries(), log.problems(["0" * 64])) == ([], [])


@pytest.mark.parametrize("field", ["name", "time", "number", "previous", "hash"])
def test_a_changed_entry_is_seen(log: AuditLog, field: str) -> None:
    lines = filled(log, "a", "b", "c")
    entry = json.loads(lines[1])
    entry[field] = 7 if field == "number" else "another"
    write(log, [lines[0], json.dumps(entry).encode(), lines[2]])
    assert "Entry 2 was changed" in log.problems()[0]


def test_an_entry_changed_with_its_hash_breaks_the_next_one(log: AuditLog) -> None:
    from core.workspace.audit_log import digest

    lines = filled(log, "a", "b", "c")
    entry = json.loads(lines[1]) | {"name": "another"}
    write(log, [lines[0], json.dumps(entry | {"hash": digest(entry)}).encode(), lines[2]])
    assert "before entry 3" in log.problems()[0]


@pytest.mark.parametrize("kept", [(1, 2), (0, 2), (1, 0, 2), (0, 1, 1, 2)])
def test_removed_moved_and_doubled_entries_are_seen(log: AuditLog, kept: tuple[int, ...]) -> None:
    lines = filled(log, "a", "b", "c")
    write(log, [lines[i] for i in kept])
    assert "removed, inserted or moved" in log.problems()[0]


def test_entries_cut_off_at_the_end_are_seen_by_whoever_noted_the_last_one(log: AuditLog) -> None:
    lines = filled(log, "a", "b", "c")
    noted = head(log.entries())
    write(log, lines[:2])
    assert log.problems() == []  # the chain alone cannot tell
    assert "cut off" in log.problems([noted])[0]
    log.file.path.unlink()
    assert "cut off" in log.problems([noted])[0]


def test_nothing_is_added_to_a_log_that_was_changed(log: AuditLog) -> None:
    lines = filled(log, "a", "b")
    write(log, lines[1:])
    with pytest.raises(InputError, match=r"Nothing was added"):
        log.add({"name": "c"})
    assert log.file.lines() == lines[1:]


def test_what_is_said_cannot_set_number_or_hash(log: AuditLog) -> None:
    entry = log.add({"number": 9, "hash": "x", "previous": "y", "time": "z", "name": "a"})
    assert (entry["number"], entry["previous"]) == (1, "0" * 64)
    assert log.problems() == []


def test_a_torn_line_does_not_count_and_is_mended(log: AuditLog) -> None:
    lines = filled(log, "a")
    log.file.path.write_bytes(log.file.path.read_bytes() + b'{"name":"b')
    assert [entry["name"] for entry in log.entries()] == ["a"]
    log.add({"name": "c"})
    assert log.file.lines()[0] == lines[0]
    assert [entry["name"] for entry in log.entries()] == ["a", "c"]
    assert log.problems() == []


def test_a_line_that_is_no_object_is_named(log: AuditLog) -> None:
    filled(log, "a")
    log.file.path.write_bytes(b"[1]\n")
    with pytest.raises(InputError, match="line 1 is damaged"):
        log.problems()


def test_two_who_sign_at_once_both_stand_in_the_chain(log: AuditLog) -> None:
    threads = [threading.Thread(target=filled, args=(log, name, name)) for name in "abcd"]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(log.entries()) == 8
    assert log.problems() == []
