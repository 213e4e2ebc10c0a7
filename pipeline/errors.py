"""The faults of whoever starts a job; they stop it before anything runs."""

from __future__ import annotations


class ConfigurationError(ValueError):
    """Wrong usage or configuration: nothing was started, and the exit code is 2.

    The message says what is wrong and what to do about it.
    """
