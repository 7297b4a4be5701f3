"""Which packages have their models fitted here: loaded when the first of them is met."""

from __future__ import annotations

from typing import Final

from mixcheck.adapters.registry import Later
from mixcheck.port import register_adapter

__all__ = ["FITTED_HERE"]

FITTED_HERE: Final = {
    "gpboost": "mixcheck.elsewhere.gpboost:port_of_model",
    "pymer4": "mixcheck.elsewhere.pymer4:port_of_model",
}
"""By package: module and function that make a port of its objects."""

for _package, _place in FITTED_HERE.items():
    register_adapter(_package, Later(_place))
