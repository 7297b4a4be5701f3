"""Left sides."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mixcheck.design import build_design, parse_formula
from mixcheck.design.model_formula import ResponseFormula
from mixcheck.design.response import make_response, two_level_response
from mixcheck.errors import DataError, MixcheckError

FRAME = pd.DataFrame(index=range(3))
COLUMNS = {"k": np.array([0, 1, 2]), "n": np.array([2, 2, 4])}


@pytest.mark.parametrize(("kind", "size"), [("ratio", [2, 2, 4]), ("cbind", [2, 3, 6])])
def test_trials(kind: str, size: list[float]) -> None:
    """A ratio names the trials, cbind the failures."""
    formula = ResponseFormula(kind, ("k", "n"))  # type: ignore[arg-type]
    response = make_response(formula, {}, COLUMNS, FRAME, ratio_is_trials=True)
    assert response.size is not None
    assert response.outcome.tolist() == [0, 1, 2]
    assert response.size.tolist() == size


def test_quotient() -> None:
    """Elsewhere a ratio is arithmetic, and must be finite."""
    formula = ResponseFormula("ratio", ("k", "n"))
    response = make_response(formula, {}, COLUMNS, FRAME, ratio_is_trials=False)
    assert response.outcome.tolist() == [0, 0.5, 0.5]
    with pytest.raises(DataError, match="`n / k` is inf in row 0"):
        make_response(
            ResponseFormula("ratio", ("n", "k")), {}, COLUMNS, FRAME, ratio_is_trials=False
        )


def test_two_levels() -> None:
    """The second level is the success, in the order of the categories."""
    response = two_level_response(pd.Categorical(["no", "yes"], categories=["yes", "no"]), "y")
    assert response.outcome.tolist() == [1, 0]
    assert response.notes == ("Response `y`: 'no' is a success, 'yes' a failure.",)


@pytest.mark.parametrize("name", ["pi", "T", "contr.sum", "w"])
@pytest.mark.parametrize("left", ["{} ~ k", "{} / n ~ k", "k / {} ~ k", "cbind(k, {}) ~ k"])
@pytest.mark.parametrize("trials", [True, False])
def test_a_constant_is_no_response(name: str, left: str, trials: bool) -> None:
    """A name that has a value without a column is refused on the left, whatever the notation."""
    data = pd.DataFrame({"k": [0, 1, 2], "n": [2, 2, 4]})
    with pytest.raises(MixcheckError, match=r"`\w[\w.]*` is none; write|one column"):
        build_design(
            parse_formula(left.format(name)), data, ratio_is_trials=trials, context={"w": 2.0}
        )
