"""From a file to the fitted model that was saved there."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mixcheck import priors as kinds
from mixcheck.arguments.calls import answer_calls
from mixcheck.arguments.options import require_path, shown
from mixcheck.codec.frames import frame_from_arrays
from mixcheck.display.files import PathLike
from mixcheck.errors import ConvergenceError, DataError, MixcheckError
from mixcheck.families import get_family
from mixcheck.families.family import Family
from mixcheck.fitting.estimation.sizes import available_memory
from mixcheck.fitting.glmm import glmm
from mixcheck.fitting.results.glmm_fit import GLMM
from mixcheck.fitting.results.saved import FILE_KIND, FILE_VERSION
from mixcheck.notices import quiet
from mixcheck.port import port_of

__all__ = ["load"]

# What the log-likelihood of a loaded fit may differ by, relative to one plus its size.
_SAME = 1e-6


@answer_calls
def load(path: PathLike) -> GLMM:
    """A fitted model from the file that `GLMM.save` wrote.

    The file holds the call, the rows and the numbers that came of it. The model is fitted again,
    which takes the time of a fit, and its log-likelihood is compared with the one that was saved: a
    file that another version of the library, or another machine, would read as another model is
    refused, and not believed. Nothing in the file is executed.

    Parameters
    ----------
    path : path

    Returns
    -------
    GLMM

    Raises
    ------
    DataError
        If there is no such file, it is none of `GLMM.save`, or of a newer version of the format.
    ConvergenceError
        If the model that is fitted again has another log-likelihood, by more than 1e-6 of it.

    Examples
    --------
    >>> import os, tempfile
    >>> import mixcheck as mc
    >>> fit = mc.glmm("incidence / size ~ period + (1 | herd)", mc.datasets.load("cbpp"),
    ...               family="binomial")
    >>> file = os.path.join(tempfile.mkdtemp(), "cbpp.fit")
    >>> fit.save(file)
    >>> mc.load(file).llf == fit.llf
    True
    """
    content, arrays = _read(path)
    try:
        frame, call, saved = _decode(content, arrays)
    except MixcheckError:
        raise
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        raise DataError(f"{_shown(path)} is damaged: save the fit again") from None
    with quiet():
        fit = glmm(data=frame, **call)
        if "response" in arrays:
            fit = fit.refit(arrays["response"])
    port = port_of(fit)
    if not abs(fit.llf - saved.llf) <= _SAME * (1.0 + abs(saved.llf)):
        raise ConvergenceError(
            f"{_shown(path)} was saved with a log-likelihood of {saved.llf:.6f} by version "
            f"{saved.version}, and the model has {fit.llf:.6f} here; fit it anew by "
            "mixcheck.glmm, and compare"
        )
    design = replace(port.design, dropped=saved.dropped)
    return GLMM(replace(port, design=design, notes=saved.notes))


@dataclass(frozen=True)
class _Saved:
    """What is compared with the model that is fitted again, or told of the one that was."""

    llf: float
    version: str
    dropped: int
    notes: tuple[str, ...]


def _decode(
    content: Mapping[str, Any], arrays: Mapping[str, np.ndarray[Any, Any]]
) -> tuple[pd.DataFrame, dict[str, Any], _Saved]:
    """Rows, arguments of the call, and what came of it."""
    call = dict(content["call"])
    for name in ("weights", "offset"):
        if isinstance(call[name], dict):
            call[name] = arrays[call[name]["array"]]
    call["family"] = _read_family(call["family"])
    call["priors"] = _read_priors(call["priors"])
    call["context"] = _read_context(call["context"], arrays)
    saved = _Saved(
        float(content["llf"]),
        str(content["mixcheck"]),
        int(content["dropped"]),
        tuple(str(note) for note in content["notes"]),
    )
    return frame_from_arrays(content["frame"], arrays, "frame"), call, saved


def _read(path: PathLike) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
    file = require_path("path", path)
    try:
        _require_room(file, path)
        with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as held:
            arrays = {name: held[name] for name in held.files}
        content: dict[str, Any] = json.loads(arrays.pop("manifest").tobytes().decode("utf-8"))
        kind, version = content["kind"], content["version"]
    except OSError as error:
        raise DataError(f"{_shown(path)} cannot be read: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, EOFError, AttributeError, zipfile.BadZipFile):
        raise DataError(
            f"{_shown(path)} is no file of a fit; mixcheck.load reads what fit.save(..) wrote"
        ) from None
    if kind != FILE_KIND or not isinstance(version, int) or version > FILE_VERSION:
        raise DataError(
            f"{_shown(path)} is a {kind} of version {version}, and this version of the library "
            f"reads {FILE_KIND} up to {FILE_VERSION}; update mixcheck"
        )
    return content, arrays


def _require_room(file: Path, path: PathLike) -> None:
    """Refuse an archive that would not fit into memory when it is unpacked."""
    with zipfile.ZipFile(file) as archive:
        need = sum(item.file_size for item in archive.infolist())
    have = available_memory()
    if have is not None and need > have:
        raise DataError(
            f"{_shown(path)} unpacks to {need / 1e9:.3g} GB, for which there is no memory"
        )


def _shown(path: PathLike) -> str:
    return shown(str(path))


def _read_family(told: Mapping[str, Any]) -> Family:
    kind = type(get_family(told["name"]))
    known = {} if told["df"] is None else {"df": told["df"]}
    return kind(link=told["link"], **known)


def _read_priors(told: Mapping[str, Any] | None) -> dict[str, kinds.Prior] | None:
    if told is None:
        return None
    by_name = {one.__name__: one for one in kinds.Prior.__subclasses__()}
    return {
        name: by_name[one["kind"]](**{k: v for k, v in one.items() if k != "kind"})
        for name, one in told.items()
    }


def _read_context(
    told: Mapping[str, Any] | None, arrays: Mapping[str, np.ndarray[Any, Any]]
) -> dict[str, Any] | None:
    if told is None:
        return None
    out: dict[str, Any] = {}
    for name, one in told.items():
        if one == "array":
            out[name] = arrays[f"context.{name}"]
        elif "value" in one:
            out[name] = one["value"]
        else:
            out[name] = frame_from_arrays(one, arrays, f"context.{name}")
    return out
