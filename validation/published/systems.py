"""The systems whose numbers are reproduced, by the names that the command takes."""

from __future__ import annotations

from typing import Final

from validation.published import (
    breslow_clayton,
    caic4,
    dharma,
    glmmadaptive,
    glmmtmb,
    lme4,
    matlab,
    mixedmodels_jl,
    r_glmm,
    saefken,
    sas,
    spss,
    statsmodels_bayes,
    wolfinger_oconnell,
)
from validation.published.frame import Case

CASES: Final[dict[str, tuple[Case, ...]]] = {
    "lme4": lme4.CASES,
    "r-glmm": r_glmm.CASES,
    "glmmtmb": glmmtmb.CASES,
    "sas": sas.CASES,
    "spss": spss.CASES,
    "matlab": matlab.CASES,
    "statsmodels": statsmodels_bayes.CASES,
    "mixedmodels": mixedmodels_jl.CASES,
    "glmmadaptive": glmmadaptive.CASES,
    "dharma": dharma.CASES,
    "caic4": caic4.CASES,
    "saefken": saefken.CASES,
    "breslow-clayton": breslow_clayton.CASES,
    "wolfinger-oconnell": wolfinger_oconnell.CASES,
}
SYSTEMS: Final = tuple(CASES)
