"""Laplace's approximation and scalar quadrature by validation/reference/gold_laplace.py.

Dense, with derivatives by complex steps, and without a line of mixcheck.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from validation.reference import gold_laplace

BY = "dense implementation with complex-step derivatives (validation/reference/gold_laplace.py)"
_STORED = Path(gold_laplace.__file__).parent / "gold_laplace.json"


def stored(case: str, nodes: int = 1) -> dict[str, float]:
    """The stored optimum of a case; one node is Laplace's approximation."""
    record = json.loads(_STORED.read_text())
    return _named(record["laplace"][case] if nodes == 1 else record["quadrature"][case][str(nodes)])


def maximise(problem: gold_laplace.Problem, nodes: int = 1) -> dict[str, float]:
    """The optimum of a problem, from that of Laplace's approximation on."""
    begin = gold_laplace.maximise(problem, gold_laplace.start(problem))
    if nodes == 1:
        return _named(begin)
    return _named(gold_laplace.maximise(problem, np.array(begin["parameters"]), nodes))


def log_likelihood(problem: gold_laplace.Problem, parameters: list[float], nodes: int) -> float:
    """The log-likelihood at given parameters."""
    return -gold_laplace.deviance(problem, np.array(parameters), nodes).real / 2


def _named(fit: Mapping[str, Any]) -> dict[str, float]:
    values = {"log-likelihood": float(fit["llf"])}
    for name, value in fit["params"].items():
        values[name] = float(value)
        values[f"se {name}"] = float(fit["bse"][name])
    for row in fit["components"]:
        values[f"sd {row['group']}"] = float(row["sd"])
        values[f"variance {row['group']}"] = float(row["sd"]) ** 2
    return values
