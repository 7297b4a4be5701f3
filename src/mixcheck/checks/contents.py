"""What the suites of the library hold, by kinds: the algebra of checks does not know them."""

from __future__ import annotations

from typing import Any

import numpy as np

from mixcheck.port import Checkable, Ported, Traceable, port_of
from mixcheck.simulation import require_model

__all__ = ["QUICK", "STANDARD", "full"]

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

_ALONG: tuple[dict[str, str], ...] = (
    {"kind": "spread"},
    {"kind": "quantiles"},
    {"kind": "hurdle-zeros"},
    {"kind": "heaping"},
)
_MISSING: tuple[dict[str, str], ...] = (
    {"kind": "missing-predictor"},
    {"kind": "missing-predictor", "part": "zi"},
    {"kind": "missing-predictor", "part": "dispersion"},
    {"kind": "missing-slope"},
    {"kind": "missing-group"},
    {"kind": "interaction"},
    {"kind": "link"},
)
_ESTIMATES: tuple[dict[str, str], ...] = (
    {"kind": "outlying-groups"},
    {"kind": "influence"},
    {"kind": "collinearity"},
    {"kind": "separation"},
    {"kind": "singularity"},
    {"kind": "laplace-adequacy"},
)


def full(model: Checkable | Ported) -> tuple[dict[str, str], ...]:
    """Every check that needs no argument, and those of the grouping factors of the model.

    Raises
    ------
    OptionError
        If it is no model.
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
    return (*STANDARD, *_ALONG, goodness, *_MISSING, *groups, *_ESTIMATES)
