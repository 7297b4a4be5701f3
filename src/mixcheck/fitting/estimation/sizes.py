"""Sizes guarded before they are tried: what a model needs, beside what the machine has."""

from __future__ import annotations

from pathlib import Path

from mixcheck.arguments.options import shown
from mixcheck.errors import DataError, DesignError, OptionError
from mixcheck.fitting.estimation.by_iterations import can_iterate
from mixcheck.fitting.estimation.cut_deviance import iterated
from mixcheck.fitting.likelihood.approximation import Method
from mixcheck.fitting.likelihood.problem import Problem

__all__ = [
    "available_memory",
    "fit_to_size",
    "require_room_for_draws",
    "require_room_for_rows",
]

# Dense matrices of the size of the Schur complement that stand side by side, measured with
# 5,000 crossed levels a side: the matrix, its factor, its inverse, and copies of these.
_COPIES = 9
# Seconds of one core for one evaluation, over the cube of the size, measured likewise.
_SECONDS = 1.3e-10
_EVALUATIONS = 15
_MOST_HOURS = 4.0
# Beyond this, iterations take the place of the matrix where they can.
_LONG_HOURS = 0.25
# Vectors of all rows that stand beside the model matrices while a data set is looked at.
_ROW_COLUMNS = 60
_MOST_BYTES = 16e9
# More draws than this are not told apart.
_UNCOUNTED = 10**30
# Below this many rows the dense matrix is never a question.
_SMALL = 3000


def fit_to_size(problem: Problem, method: Method) -> Problem:
    """The problem, its crossed effects solved by iterations where their matrix is too large.

    That is where it would need more memory than there is, or more than some minutes.

    Parameters
    ----------
    problem : Problem
    method : Method

    Returns
    -------
    Problem
        Itself, or with an iterative latent system, whose likelihood
        :mod:`mixcheck.fitting.estimation.by_iterations` finds.

    Raises
    ------
    DesignError
        With the size in GB, or the hours, where iterations cannot take the place of the matrix.
    """
    latent = problem.latent
    if latent.schur_size <= _SMALL:
        return problem
    size = latent.plan.core.size if latent.sparse else latent.schur_size
    need, have = 8.0 * _COPIES * size**2, available_memory()
    hours = _EVALUATIONS * _SECONDS * size**3 / 3600.0
    lacking = have is not None and need > have
    if (lacking or hours > _LONG_HOURS) and can_iterate(problem, method):
        return iterated(problem)
    if have is not None and lacking:
        raise DesignError(
            f"{_crossed(problem, size)} {_gigabytes(need)} GB of memory, where {_gigabytes(have)} "
            f"GB are free; {_ADVICE}"
        )
    if hours > _MOST_HOURS:
        raise DesignError(
            f"{_crossed(problem, size)} {_gigabytes(need)} GB of memory and some {hours:.0f} hours "
            f"of work; {_ADVICE}"
        )
    return problem


def require_room_for_rows(problem: Problem, rows: float) -> None:
    """Refuse so many rows in the place of those of a problem, if they have no room in memory.

    Raises
    ------
    DataError
    """
    columns = sum(X.shape[1] for X in problem.X) + _ROW_COLUMNS
    need, have = 8.0 * rows * columns, available_memory()
    if need > _MOST_BYTES or (have is not None and need > have):
        raise DataError(
            f"weights= stand for {rows:,.0f} rows, and checks look at each of them: that takes "
            f"{_gigabytes(need)} GB of memory; fit the model to fewer rows to check it"
        )


def require_room_for_draws(draws: int, rows: int) -> None:
    """Refuse so many simulated responses, if they have no room in memory.

    Raises
    ------
    OptionError
    """
    need, have = 8.0 * rows * float(min(draws, _UNCOUNTED)), available_memory()
    if need > (_MOST_BYTES if have is None else have):
        raise OptionError(
            f"draws={shown(draws)} of {rows:,} responses take {need / 1e9:.3g} GB of memory; write "
            "fewer draws, or simulate them in parts with a seed for each"
        )


_ADVICE = (
    "leave out one of the crossed terms, merge levels of the smaller factor, or fit a part of the "
    "data"
)


def _crossed(problem: Problem, size: int) -> str:
    groups = {
        t.block.group: None for t in problem.terms if t.factor in problem.latent.schur_factors
    }
    names = " and ".join(repr(group) for group in groups)
    return (
        f"the {size:,} random effects of {names} are crossed with those of a larger grouping "
        "factor, which needs a dense matrix of all pairs of them, in all"
    )


def _gigabytes(number: float) -> str:
    return f"{number / 1e9:.1f}"


def available_memory() -> float | None:
    """Bytes that this process may still take, as far as the system tells; None where it does not.

    The smallest of the free memory of the machine, the rest of the limit of its address space,
    and the rest of the limit of its control group.
    """
    known = [_free_of_machine(), _free_of_limit(), _free_of_group()]
    return min((value for value in known if value is not None), default=None)


def _free_of_machine() -> float | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        sizes = {name: value for name, _, value in (line.partition(":") for line in lines)}
        return 1024.0 * float(sizes["MemAvailable"].split()[0])
    except (OSError, ValueError, KeyError, IndexError):
        return None


def _free_of_limit() -> float | None:
    try:
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit == resource.RLIM_INFINITY:
            return None
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        return max(0.0, float(limit) - float(pages) * resource.getpagesize())
    except (ImportError, OSError, ValueError, IndexError):
        return None


def _free_of_group() -> float | None:
    for most, taken in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            folder = Path("/sys/fs/cgroup")
            limit = float((folder / most).read_text(encoding="ascii"))
            return max(0.0, limit - float((folder / taken).read_text(encoding="ascii")))
        except (OSError, ValueError):
            continue
    return None
