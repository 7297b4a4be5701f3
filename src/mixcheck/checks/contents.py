"""What the suites of the library hold, by kinds: the algebra of checks does not know them."""

from __future__ import annotations

from typing import Any

import numpy as np

from mixcheck.checks.time_and_place import coordinates_of, series_of, time_of
from mixcheck.port import Checkable, Ported, Traceable, port_of
from mixcheck.simulation import require_model

__all__ = ["FURTHER", "QUICK", "STANDARD", "full", "further"]

STANDARD: tuple[dict[str, str], ...] = (
    {"kind": "uniformity"},
    {"kind": "dispersion"},
    {"kind": "outliers"},
    {"kind": "zeros"},
    {"kind": "trend", "against": "fitted"},
    {"kind": "random-effects"},
    {"kind": "convergence"},
)

QUICK: tuple[dict[str, str], ...] = tuple(
    {"kind": kind} for kind in ("uniformity", "dispersion", "zeros", "outliers", "convergence")
)

# Each is power against a fault of its own; see validation/power.
FURTHER: tuple[dict[str, str], ...] = (
    {"kind": "spread"},
    {"kind": "missing-predictor"},
    {"kind": "missing-predictor", "part": "dispersion"},
    {"kind": "missing-slope"},
    {"kind": "missing-group"},
    {"kind": "interaction"},
    {"kind": "link"},
)

_ALONG: tuple[dict[str, str], ...] = (
    {"kind": "quantiles"},
    {"kind": "hurdle-zeros"},
    {"kind": "heaping"},
    {"kind": "missing-predictor", "part": "zi"},
)
_ESTIMATES: tuple[dict[str, str], ...] = (
    {"kind": "outlying-groups"},
    {"kind": "influence"},
    {"kind": "collinearity"},
    {"kind": "separation"},
    {"kind": "singularity"},
    {"kind": "laplace-adequacy"},
)


def further(model: Checkable | Ported) -> tuple[list[dict[str, str]], dict[str, str]]:
    """What the standard suite asks of a model beside what it asks of any, and why not more.

    Returns
    -------
    asked : list of dict
        Checks, by kind; some may not apply to the model.
    left_out : dict of str to str
        Why checks that need to be told a column are not among them, by kind.

    Raises
    ------
    OptionError
        If it is not a model.
    """
    port: Any = port_of(model)
    require_model(port)
    asked = [*FURTHER]
    if not isinstance(port, Traceable):
        reason = "It is not known which columns the model uses."
        return asked, {"autocorrelation": reason, "spatial": reason}
    left_out = {}
    rows = port.data_rows
    along = {"time": time_of(rows), "group": series_of(rows)}
    if any(along.values()):
        told = {what: name for what, name in along.items() if name is not None}
        asked.append({"kind": "autocorrelation", **told})
    else:
        left_out["autocorrelation"] = (
            "There is no column of times, and no grouping factor with three rows a level."
        )
    places = coordinates_of(rows)
    if places is not None:
        asked.append({"kind": "spatial", **places})
    else:
        left_out["spatial"] = "There are no columns of coordinates."
    return asked, left_out


def full(model: Checkable | Ported) -> tuple[dict[str, str], ...]:
    """Every check that needs no argument, and those of the grouping factors of the model.

    Raises
    ------
    OptionError
        If it is not a model.
    """
    port: Any = port_of(model)
    require_model(port)
    binary = False
    factors: tuple[str, ...] = ()
    if isinstance(port, Traceable):
        rows = port.data_rows
        binary = bool(np.isin(rows.response, (0.0, 1.0)).all())
        factors = tuple(name for name in rows.grouping if name in rows.frame.columns)
    goodness = {"kind": "calibration" if binary else "rootogram"}
    groups = tuple({"kind": "groups", "column": name} for name in factors)
    return (*STANDARD, *further(port)[0], *_ALONG, goodness, *groups, *_ESTIMATES)
