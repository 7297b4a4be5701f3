"""Data to matrices: formulas, covariance structures, and the frozen design."""

from mixcheck.design.covariances import Covariance, Diagonal, Unstructured, covariance_of
from mixcheck.design.formula import has_terms, parse_formula
from mixcheck.design.matrices import Design, build_design
from mixcheck.design.model_formula import (
    ModelFormula,
    PredictorFormula,
    RandomTerm,
    ResponseFormula,
)
from mixcheck.design.precision import divide_dispersion
from mixcheck.design.prediction import RandomParts, Unseen, apply_design
from mixcheck.design.predictors import Predictor, RandomBlock
from mixcheck.design.repetition import read_counts, repeat_rows
from mixcheck.design.shapes import with_shapes, without_intercept

__all__ = [
    "Covariance",
    "Design",
    "Diagonal",
    "ModelFormula",
    "Predictor",
    "PredictorFormula",
    "RandomBlock",
    "RandomParts",
    "RandomTerm",
    "ResponseFormula",
    "Unseen",
    "Unstructured",
    "apply_design",
    "build_design",
    "covariance_of",
    "divide_dispersion",
    "has_terms",
    "parse_formula",
    "read_counts",
    "repeat_rows",
    "with_shapes",
    "without_intercept",
]
