"""Senescope: ``streamlit run app.py`` opens the app in a browser."""

import sys

if not (3, 10) <= sys.version_info[:2] <= (3, 12):
    sys.exit("Senescope needs Python 3.10, 3.11 or 3.12 (because of Cellpose 3); this is %s. README.md shows how to get one." % sys.version.split()[0])  # noqa: UP031 (any Python reads this line)

from pathlib import Path

import streamlit as st

sys.path.insert(0, str(Path(__file__).resolve().parent))

from pages.parts import media, opening

app = st.App(
    Path(__file__).resolve().parent / "pages" / "parts" / "main.py",
    routes=media.routes(st.get_option("server.baseUrlPath") or ""),
    lifespan=opening.browser_opens,
)

if __name__ == "__main__":
    app.run()
