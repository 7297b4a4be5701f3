"""Models of other packages that keep too little to be checked as they are: what to write."""

from __future__ import annotations

from typing import Any, Final

from mixcheck.errors import OptionError
from mixcheck.port import Checkable

__all__ = ["WAYS", "require_more"]

_PREDICTS: Final = (
    "it has not kept its response: write mixcheck.from_distribution(y, {}) with the distribution "
    "that it predicts for each row"
)

WAYS: Final = {
    "glmm": "it has not kept its data: write mixcheck.check(mixcheck.from_fit(result, data)) with "
    "the table that it was fitted to",
    "sklearn": _PREDICTS.format("scipy.stats.norm(*model.predict(X, return_std=True))"),
    "ngboost": _PREDICTS.format("model.pred_dist(X).dist"),
    "rpy2": "it is a model of R: write simulate(fit, 1000) there, and "
    "mixcheck.from_draws(observed, draws)",
    "bambi": "it is a model without its draws: write idata = model.fit(), "
    "model.predict(idata, kind='response') and mixcheck.check(idata)",
    "pymc": "it is a model without its draws: sample, write pm.sample_posterior_predictive(idata, "
    "extend_inferencedata=True) and mixcheck.check(idata)",
}
"""What to write for objects of a package."""


def require_more(model: Any) -> Any:
    """The object, if its class meets the port itself.

    Raises
    ------
    OptionError
        Otherwise, with what to write.
    """
    if isinstance(model, Checkable):
        return model
    packages = (kind.__module__.partition(".")[0] for kind in type(model).__mro__)
    package = next(name for name in packages if name in WAYS)
    raise OptionError(
        f"{type(model).__name__} of {package} is not checked as it is, since {WAYS[package]}"
    )
