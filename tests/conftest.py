"""What every test leaves as it found it."""

import os
import sys
from collections.abc import Iterator

import pytest

PROCESSES = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))  # of the tests, side by side
if PROCESSES > 1:  # threads without a core of their own wait for each other: two for one core can take ten times as long
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // PROCESSES)))

LONG = ("tests/browser/", "tests/test_golden_run.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, so that no process is left alone with one at the end."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))


@pytest.fixture(autouse=True, scope="session")
def networks_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Compiled networks of the tests do not go into the user's cache; all processes of one run share them."""
    base = tmp_path_factory.getbasetemp()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SENESCOPE_CACHE", str((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"))
        yield


@pytest.fixture(autouse=True)
def keep_main_module() -> Iterator[None]:
    """AppTest puts the page's script in the place of ``__main__``, which a process started later would run again."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main
