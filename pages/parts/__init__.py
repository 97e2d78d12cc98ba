"""What pages share: the shell, the viewer, uploads, the job panel, settings forms."""
