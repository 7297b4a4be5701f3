"""Files: whole under their name, or not there at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TypeAlias

from mixcheck.arguments.options import require_path
from mixcheck.errors import OutputError

__all__ = ["PathLike", "require_writable", "write_bytes", "write_file"]

# Longer paths are cut in a message.
_MOST_SHOWN = 200

PathLike: TypeAlias = str | os.PathLike[str]


def write_file(text: str, path: PathLike | None) -> str:
    r"""Write a text, and give it back; without a path only the latter.

    The text is written to another file in the same folder, which then takes the name: whoever
    reads the name sees the old file or the new one, and never a part. The permissions of an old
    file are kept, and a link stays a link to the file that is replaced. What is not a regular file,
    such as a pipe, is written to directly. A lone surrogate, which no file can hold, is written
    as its escape ``\udc80``.

    Raises
    ------
    OptionError
        If `path` is not a path.
    OutputError
        If it cannot be written; what had the name before is as it was.
    """
    if path is None:
        return text
    write_bytes(text.encode("utf-8", errors="backslashreplace"), path)
    return text


def write_bytes(content: bytes, path: PathLike) -> None:
    """Write the content of a file, whole or not at all, as `write_file` does.

    Raises
    ------
    OptionError
        If `path` is not a path.
    OutputError
        If it cannot be written; what had the name before is as it was.
    """
    wanted = require_path("path", path)
    try:
        target = Path(os.path.realpath(wanted))
        if target.exists() and not target.is_file():
            target.write_bytes(content)
        else:
            _replace(target, content)
    except (OSError, ValueError) as error:
        raise OutputError(_unwritten(wanted, error)) from error


def require_writable(path: Path, name: str) -> None:
    """Refuse a file whose folder takes no file, before any time is spent.

    Raises
    ------
    OutputError
        If there is no such folder, it takes no file, or the path is a folder.
    """
    require_path(name, path)
    try:
        problem = _obstacle(path)
    except (OSError, ValueError) as error:
        raise OutputError(f"{name}: {_unwritten(path, error)}") from error
    if problem:
        raise OutputError(f"{name}: {problem}")


def _obstacle(path: Path) -> str:
    target = Path(os.path.realpath(path))
    if target.is_dir():
        return f"{_shown(path)} is a folder; write the name of a file"
    if not target.parent.is_dir():
        return f"there is no folder {_shown(path.parent)}; make it first"
    if not os.access(target if _is_special(target) else target.parent, os.W_OK):
        return f"no file can be written in the folder {_shown(path.parent)}"
    # A name that no file can have is an error of the system.
    target.exists()
    os.fsencode(target)
    return ""


def _shown(path: Path) -> str:
    """The path in quotes; of a very long one its beginning and its end."""
    text = str(path)
    if len(text) > _MOST_SHOWN:
        text = f"{text[: _MOST_SHOWN // 2]}..{text[-_MOST_SHOWN // 2 :]}"
    return repr(text)


def _is_special(target: Path) -> bool:
    return target.exists() and not target.is_file()


def _replace(target: Path, content: bytes) -> None:
    temporary = target.parent / f".{secrets.token_hex(8)}.tmp"
    # The mode is that of any new file, which the mask of the process restricts.
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        if target.exists():
            temporary.chmod(target.stat().st_mode & 0o7777)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _unwritten(path: Path, error: Exception) -> str:
    reason = getattr(error, "strerror", None) or "no file can have this name"
    try:
        kept = "; the file of that name is as it was" if path.is_file() else ""
    except (OSError, ValueError):
        kept = ""
    return f"{_shown(path)} cannot be written: {reason[:1].lower()}{reason[1:]}{kept}"
