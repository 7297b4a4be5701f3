"""Where a report comes from: what was run, with which numbers, and what p-values rest on."""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import scipy

from mixcheck.arrays import FloatArray
from mixcheck.checks.replicate_numbers import ReplicateNumbers
from mixcheck.port import Drawn, Enumerable, Noted
from mixcheck.simulation import Calibration, Replicates

__all__ = ["describe_run", "digest_response", "tell_detail", "tell_null"]


def tell_null(plan: Replicates, replicates: ReplicateNumbers) -> str:
    """What p-values rest on, in a sentence or two."""
    number = len(replicates.numbers)
    words = f"p-values compare with {number:,} simulated data sets{_HOW[plan.calibration]}"
    if plan.calibration == "plug-in":
        by = "seen by the estimates of the model"
        if isinstance(plan.port, Drawn):
            by = "each seen by one draw from the posterior, as the data are"
        words = f"{words[:-1]}, {by}."
    if plan.reason and not isinstance(plan.port, Drawn):
        words = f"{words[:-1]}, since {plan.reason}."
    looks = replicates.single.shape[1]
    if looks > 1:
        words += f" Statistics are means over {looks} randomisations of each."
    return f"{words} {replicates.stopped}".rstrip()


_HOW: Mapping[Calibration, str] = {
    "refit": ", to each of which the model was fitted again.",
    "one-step": ", each seen one Newton step from the estimates.",
    "plug-in": ".",
}


def tell_detail(plan: Replicates, replicates: ReplicateNumbers) -> str:
    """How the null distribution was made, in a sentence or two."""
    made = f"The null distribution is that of {len(replicates.numbers)} replicate data sets"
    how = f"{_HOW[plan.calibration]} {replicates.stopped}".rstrip()
    if not replicates.failed:
        return made + how
    made_in_all = len(replicates.numbers) + replicates.failed
    kind = "replicates" if plan.calibration == "plug-in" else "refits"
    reasons = "; ".join(f"{reason} ({count})" for reason, count in replicates.failures)
    return f"{made}{how} {replicates.failed} of {made_in_all} {kind} were kept out: {reasons}"


def describe_run(
    plan: Replicates,
    replicates: ReplicateNumbers | None,
    digest: str,
    suite: list[dict[str, Any]],
    left_out: Mapping[str, str],
) -> dict[str, Any]:
    """Where a report comes from: versions, seed, model, and what p-values rest on.

    Parameters
    ----------
    plan : Replicates
    replicates : ReplicateNumbers or None
        None where none were asked for.
    digest : str
        Of the response; see `digest_response`.
    suite : list of dict
        What was asked, as plain data.
    left_out : mapping of str to str
        Why others were not, by their names.
    """
    return {
        "date": date.today().isoformat(),
        "mixcheck": _version(),
        "software": _software(),
        "seed": plan.seed,
        "draws": plan.draws,
        "calibration": plan.calibration,
        "randomisations": plan.looks if replicates is None else replicates.single.shape[1],
        "null distribution": "" if replicates is None else tell_null(plan, replicates),
        "replicates used": 0 if replicates is None else len(replicates.numbers),
        **({"stopped": replicates.stopped} if replicates and replicates.stopped else {}),
        "refits kept out": {} if replicates is None else dict(replicates.failures),
        "conditioning": "that of the draws"
        if isinstance(plan.port, Enumerable)
        else plan.conditioning,
        "model": dict(plan.port.description) | _weights_words(plan) | _remarks(plan),
        "response digest": digest,
        "suite": suite,
        "left out": dict(left_out),
    }


def digest_response(response: FloatArray) -> str:
    """Sixteen digits that tell one response from others."""
    return hashlib.sha256(np.ascontiguousarray(response).tobytes()).hexdigest()[:16]


def _remarks(plan: Replicates) -> dict[str, str]:
    """What was found before fitting, such as rows left out."""
    notes = plan.port.notes if isinstance(plan.port, Noted) else ()
    return {"remarks": " ".join(notes)} if notes else {}


def _weights_words(plan: Replicates) -> dict[str, str]:
    """What to say of rows that stand for several."""
    if plan.origin is None:
        return {}
    held = np.unique(plan.origin).size
    return {"weights": f"{held:,} rows stand for {plan.origin.size:,}, each of which is looked at"}


def _version() -> str:
    # Importing the package by name would make every room depend on every other.
    return str(getattr(sys.modules.get("mixcheck"), "__version__", "unknown"))


def _software() -> str:
    """Whose arithmetic it was."""
    parts = {"Python": platform.python_version(), "numpy": np.__version__}
    parts |= {"scipy": scipy.__version__, "pandas": pd.__version__}
    return ", ".join(f"{name} {version}" for name, version in parts.items())
