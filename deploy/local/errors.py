"""The one error of the local runtime that a person is meant to read: a single line that says what to do."""


class CannotRunError(Exception):
    """The runtime cannot go on. The message is shown as it is, without a traceback, and the command exits with 1."""
