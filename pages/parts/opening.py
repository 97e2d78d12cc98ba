"""Opening the browser: ``streamlit run`` does it for a plain script, but not for an ``st.App``."""

import contextlib
import threading
import time
import urllib.request
import webbrowser
from collections.abc import AsyncIterator, Callable
from typing import Any

import streamlit as st

PATIENCE_S = 60


@contextlib.asynccontextmanager
async def browser_opens(app: Any) -> AsyncIterator[dict[str, Any]]:
    """Lifespan of the app: once it answers, its first page opens, unless ``server.headless`` is set."""
    if not st.get_option("server.headless"):
        threading.Thread(target=open_when_ready, args=(address(),), daemon=True).start()
    yield {}


def address() -> str:
    """Where a browser on this computer finds the app."""
    scheme = "https" if st.get_option("server.sslCertFile") else "http"
    bound = st.get_option("server.address")
    host = "localhost" if bound in (None, "", "0.0.0.0", "::") else bound
    base = (st.get_option("server.baseUrlPath") or "").strip("/")
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{st.get_option('server.port')}/{base}"


def open_when_ready(url: str, opened: Callable[[str], Any] = webbrowser.open, patience_s: float = PATIENCE_S) -> None:
    """Wait until the app takes connections, then open ``url``."""
    give_up = time.monotonic() + patience_s
    while time.monotonic() < give_up:
        try:
            with urllib.request.urlopen(f"{url.rstrip('/')}/_stcore/health", timeout=2):
                break
        except OSError:  # not yet; or a certificate that only the browser knows: then it is opened a little later
            time.sleep(0.2)
    opened(url)
