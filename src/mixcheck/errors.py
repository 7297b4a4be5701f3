"""Every exception and warning of the library, in one tree.

Each error is also the builtin that a caller would catch, and its message says
what was wrong, what was found, what is allowed and what to write instead.
"""

from __future__ import annotations

__all__ = [
    "BoundaryWarning",
    "ChecksFailed",
    "ComparisonError",
    "ConvergenceError",
    "ConvergenceWarning",
    "DataError",
    "DataWarning",
    "DesignError",
    "FamilyError",
    "FormulaError",
    "MixcheckError",
    "MixcheckWarning",
    "OptionError",
    "OutputError",
    "RenamedWarning",
    "SeparationError",
    "SeparationWarning",
    "UnknownArgumentError",
    "UnknownCheckError",
    "UnknownColumnError",
    "UnseenLevelError",
    "WorkerError",
]


class MixcheckError(Exception):
    """Base of every exception raised by mixcheck."""


class FormulaError(MixcheckError, ValueError):
    """A formula that cannot be read; the message marks the position."""


class DataError(MixcheckError, ValueError):
    """Data that the model cannot use: empty, non-finite, of the wrong length."""


class UnknownColumnError(DataError, KeyError):
    """A name in a formula that is not a column of the data; the message lists near names."""

    # KeyError would print the repr of its argument; a sentence must print as a sentence.
    __str__ = Exception.__str__


class UnseenLevelError(DataError):
    """A level in new data that the fitted model has never seen."""


class DesignError(MixcheckError, ValueError):
    """A model that the data cannot identify, such as a grouping factor with one level."""


class SeparationError(DesignError):
    """Predictors that tell every response exactly: no finite estimate exists."""


class FamilyError(MixcheckError, ValueError):
    """A response outside the support of the family, or a link it does not have."""


class OptionError(MixcheckError, ValueError):
    """An argument outside its allowed values."""


class UnknownArgumentError(OptionError, TypeError):
    """An argument that a function does not have, or lacks; the message says what to write."""


class OutputError(MixcheckError, OSError):
    """A file that could not be written; what had its name before is as it was."""


class WorkerError(MixcheckError, RuntimeError):
    """Parallel work whose worker was lost or ran out of memory; the message says what is lost."""


class UnknownCheckError(MixcheckError, KeyError):
    """A name that is not a check of a report; the message lists those that are."""

    # As in UnknownColumnError: a sentence must print as a sentence.
    __str__ = Exception.__str__


class ComparisonError(MixcheckError, ValueError):
    """Models that must not be compared: other rows, responses, weights or offsets."""


class ConvergenceError(MixcheckError, RuntimeError):
    """A fit that could not even produce a finite likelihood."""


class ChecksFailed(MixcheckError, AssertionError):
    """A report that does not pass; the message is its table."""


class MixcheckWarning(UserWarning):
    """Base of every warning issued by mixcheck."""


class ConvergenceWarning(MixcheckWarning):
    """The optimiser stopped before the gradient was small; see ``fit.convergence``."""


class BoundaryWarning(MixcheckWarning):
    """A variance is estimated as zero or a correlation as one in absolute value."""


class SeparationWarning(MixcheckWarning):
    """A parameter has no finite estimate; see ``fit.convergence.limits`` for which, and why."""


class DataWarning(MixcheckWarning):
    """Rows or columns were left out; the message says which and why."""


class RenamedWarning(MixcheckWarning, FutureWarning):
    """A word of the version before, which is read for the last time; write the new one."""
