"""Weights of ImageNet on the page: whether they are here, and the download of them as it goes."""

from pathlib import Path

import streamlit as st

from core.jobs import Job
from core.models.imagenet import PREFIX, imagenet_path
from pages.parts import address
from pages.parts.job_panel import current_job, submit


def imagenet_download() -> Job | None:
    """The download of such weights that is under way or went wrong; one that is done is told, and leaves the address.

    Weights belong to no experiment, so neither does the job: whoever wants them sees it.
    """
    job = current_job(None, ("download",))
    if job is None or not job.params["name"].startswith(PREFIX):
        return None
    if job.state == "done":
        st.toast(f"The ImageNet weights of {job.params['name'].removeprefix(PREFIX)} are downloaded.", icon=":material/check:")
        address.write(job=None)
        return None
    return job


def have_imagenet(network: str, busy: bool) -> bool:
    """True where the weights are on this machine; else the way to get them. ``busy``: some are being downloaded."""
    path: Path = imagenet_path(network)
    if path.is_file():
        st.caption(f":material/check: The ImageNet weights of {network} are on this machine.")
        return True
    st.info(f"The ImageNet weights of {network} are not on this machine yet. They are downloaded once, from GitHub.", icon=":material/download:")
    if st.button("Download", icon=":material/download:", disabled=busy):
        submit("download", {"name": PREFIX + network})
        st.rerun()
    return False
