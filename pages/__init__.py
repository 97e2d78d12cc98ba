"""The pages of the app, one thin file a page. Run by pages/parts/main.py, never by Streamlit's own folder convention."""
