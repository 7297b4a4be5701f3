"""What r_values.R stored of lme4, glmmTMB and cAIC4, and R's names of coefficients."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

_RECORD: dict[str, Any] = json.loads((Path(__file__).parent / "r_values.json").read_text())
VERSIONS: dict[str, str] = _RECORD["versions"]


def load(package: str, case: str) -> dict[str, Any]:
    """One entry."""
    entry: dict[str, Any] = _RECORD[package][case]
    return entry


def name(ours: str) -> str:
    """R's name of a coefficient: ``period[T.2]`` is ``period2``, ``Intercept`` ``(Intercept)``."""
    text = re.sub(r"\[(?:T\.)?([^]]*)\]", r"\1", ours)
    return re.sub(r"\bIntercept\b", "(Intercept)", text)
