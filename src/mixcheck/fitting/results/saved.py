"""A fitted model as a file: what was asked, the rows, and the numbers that came of it.

The file is an archive of arrays (``.npz``) without code. It holds the arguments of the call, the
rows that were used with all their columns, and the estimates: whoever loads it fits the model
again, and compares. A format of its own parts, with every array of a search, would be another
thing to keep right; rows and arguments are what a user can read.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from mixcheck.arguments.options import shown
from mixcheck.codec.frames import frame_to_arrays
from mixcheck.display.files import PathLike, write_bytes
from mixcheck.errors import DataError, FamilyError
from mixcheck.families import Family
from mixcheck.families.registry import FAMILIES
from mixcheck.fitting.results.estimates import Estimates
from mixcheck.priors import Prior

__all__ = ["FILE_KIND", "FILE_VERSION", "save"]

FILE_KIND = "mixcheck fit"
FILE_VERSION = 1
_BY_ROW = ("weights", "offset")


def save(fit: Estimates, path: PathLike) -> None:
    """Write a fit; see `mixcheck.GLMM.save`."""
    asked = dict(fit.design.asked)
    if not asked:
        raise DataError("this fit does not know the call it came from; fit it by mixcheck.glmm")
    arrays: dict[str, np.ndarray[Any, Any]] = {"psi": fit.optimum.psi}
    for name in _BY_ROW:
        if isinstance(asked.get(name), np.ndarray):
            arrays[name] = asked[name]
            asked[name] = {"array": name}
    content: dict[str, Any] = {
        "kind": FILE_KIND,
        "version": FILE_VERSION,
        # Importing the package by name would make every room depend on every other.
        "mixcheck": str(getattr(sys.modules.get("mixcheck"), "__version__", "unknown")),
        "call": asked
        | {
            "family": _write_family(asked["family"]),
            "priors": _write_priors(asked["priors"]),
            "context": _write_context(asked["context"], arrays),
        },
        "params": {str(name): float(value) for name, value in fit.params.items()},
        "llf": float(fit.llf),
        "notes": list(fit.notes),
        "dropped": int(fit.design.dropped),
    }
    content["frame"], columns = frame_to_arrays(fit.frame, "frame")
    response = fit.problem.to_design(fit.problem.data.y)
    if not np.array_equal(response, fit.design.response):
        arrays["response"] = response
    arrays |= columns
    buffer = io.BytesIO()
    manifest = np.frombuffer(json.dumps(content, allow_nan=True).encode("utf-8"), dtype=np.uint8)
    arrays["manifest"] = manifest
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    write_bytes(buffer.getvalue(), path)


def _write_family(family: Family) -> dict[str, Any]:
    if FAMILIES.get(family.name) is not type(family):
        raise FamilyError(
            f"a file holds families by their names, and {type(family).__name__} is none of the "
            f"library's; keep the call that fits it instead"
        )
    return {"name": family.name, "link": family.link.name, "df": getattr(family, "df", None)}


def _write_priors(priors: Mapping[str, Prior] | None) -> dict[str, Any] | None:
    if priors is None:
        return None
    return {
        name: {"kind": type(one).__name__} | asdict(one)  # type: ignore[call-overload]
        for name, one in priors.items()
    }


def _write_context(
    context: Mapping[str, Any] | None, arrays: dict[str, np.ndarray[Any, Any]]
) -> dict[str, Any] | None:
    if context is None:
        return None
    held: dict[str, Any] = {}
    for name, value in context.items():
        if isinstance(value, pd.DataFrame):
            held[name], columns = frame_to_arrays(value, f"context.{name}")
            arrays |= columns
        elif isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
            arrays[f"context.{name}"] = value
            held[name] = "array"
        elif isinstance(value, bool | int | float | str):
            held[name] = {"value": value}
        else:
            raise DataError(
                f"context[{shown(name)}] is a {type(value).__name__}, which no file holds; make "
                "columns of what it computes, and fit with these"
            )
    return held
