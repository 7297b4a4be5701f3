"""The command ``mixcheck``: the public functions in words of a shell."""

from __future__ import annotations

from mixcheck.command.main import main

__all__ = ["main"]
