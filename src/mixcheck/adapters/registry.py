"""Which package has an adapter here: loaded when the first of its objects is met."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from mixcheck.port import register_adapter

__all__ = ["ADAPTERS", "Later"]

ADAPTERS: Final = {
    "statsmodels": "mixcheck.adapters.statsmodels.results:port_of_result",
    "arviz": "mixcheck.adapters.inference_data:from_inference_data",
    "xarray": "mixcheck.adapters.inference_data:from_inference_data",
    **dict.fromkeys(
        ("bambi", "glmm", "ngboost", "pymc", "rpy2", "sklearn"),
        "mixcheck.adapters.hints:require_more",
    ),
}
"""By package: module and function that make a port of its objects."""


@dataclass(frozen=True)
class Later:
    """An adapter that is imported when it is called."""

    place: str

    def __call__(self, model: Any) -> Any:
        """The port of an object of the package."""
        module, _, function = self.place.partition(":")
        return getattr(import_module(module), function)(model)


for _package, _place in ADAPTERS.items():
    register_adapter(_package, Later(_place))
