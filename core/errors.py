"""The errors that a user may read. Everything else is a defect of ours and keeps its traceback."""


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one plain line or two: which file, what was wanted, what was found, what to do.
    The command line prints it and exits with 2; a page shows it in red; a batch lists it and goes on.
    """


class Cancelled(Exception):
    """Raised by a progress callback when the user pressed Cancel; work stops after the current item."""
