"""The criteria that models are ranked by: one line each."""

from __future__ import annotations

from mixcheck.arguments.options import shown
from mixcheck.comparison.conditional import CAIC
from mixcheck.comparison.criteria import AIC, AICC, BIC
from mixcheck.comparison.criterion import Criterion, CriterionFunction
from mixcheck.comparison.group_scores import LOGO
from mixcheck.comparison.quasi_aic import QAIC
from mixcheck.comparison.row_scores import LOO
from mixcheck.comparison.takeuchi import TIC
from mixcheck.errors import OptionError

__all__ = ["CRITERIA", "get_criterion"]

CRITERIA: dict[str, Criterion] = {
    one.name: one for one in (AIC, AICC, BIC, CAIC, LOGO, LOO, QAIC, TIC)
}


def get_criterion(criterion: str | CriterionFunction) -> Criterion:
    """A criterion by its name, or that of a function of a fitted model.

    Raises
    ------
    OptionError
        If there is none of that name.

    Examples
    --------
    >>> get_criterion("bic").title, get_criterion("loo").heading
    ('BIC', '-2 LOO score')
    """
    if isinstance(criterion, str):
        if criterion in CRITERIA:
            return CRITERIA[criterion]
        raise OptionError(
            f"criterion={shown(criterion)} is unknown; write one of "
            f"{', '.join(map(repr, CRITERIA))}, or a function of a fitted model"
        )
    if not callable(criterion):
        raise OptionError(f"criterion={shown(criterion)} must be a name or a function of a model")
    name = str(getattr(criterion, "__name__", "criterion"))
    return Criterion(name, name, criterion)
