"""The lock between processes."""

import os
import subprocess
import sys
import threading
from pathlib import Path

from core.workspace import FileLock, hold

REPOSITORY = Path(__file__).resolve().parents[2]


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "deep" / "x.lock"), FileLock(tmp_path / "deep" / "x.lock")
    assert first.acquire()
    assert first.holder()["pid"] == os.getpid()
    assert not second.acquire()
    first.release()
    first.release()
    assert not first.path.exists()
    assert second.acquire()
    second.release()
    assert second.holder() == {}


def test_hold_says_whether_it_holds(tmp_path: Path) -> None:
    with hold(tmp_path / "x.lock") as outer, hold(tmp_path / "x.lock", wait_s=0.1) as inner:
        assert outer
        assert not inner
    with hold(tmp_path / "x.lock") as again:
        assert again


def test_a_lock_of_a_dead_process_is_free(tmp_path: Path) -> None:
    code = f"import os; from pathlib import Path; from core.workspace import FileLock; FileLock(Path({str(tmp_path / 'x.lock')!r})).acquire(); os._exit(1)"
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False)
    assert (tmp_path / "x.lock").exists()
    lock = FileLock(tmp_path / "x.lock")
    assert lock.acquire()
    lock.release()


def test_many_threads_count_without_loss(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0", encoding="ascii")

    def count() -> None:
        for _ in range(10):
            with hold(tmp_path / "x.lock", wait_s=30) as held:
                assert held
                counter.write_text(str(int(counter.read_text(encoding="ascii")) + 1), encoding="ascii")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.read_text(encoding="ascii") == "40"
