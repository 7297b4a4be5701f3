"""A published number beside ours: what is compared, how closely, and what follows.

A case is one model of one data set by one approximation; it has numbers, each as it was printed.
A number agrees where ours is within its tolerance: half a unit of its last printed digit, or what
the case says instead, with its reason. Where it does not, an independent computation decides. If
that confirms ours and excludes the published number, that is off; if it is too uncertain to tell
the two apart, that is said; if it does not confirm ours, or there is none, we disagree.
Where a system is documented but its digits for public data are not at hand, the independent
computation by its method stands in, and ours is confirmed or not.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final, Literal

import pandas as pd

import mixcheck as mc

AGREES: Final = "agrees"
CONFIRMED: Final = "confirmed"
PUBLISHED_OFF: Final = "published is off"
UNDECIDED: Final = "within Monte Carlo error"
ANOTHER: Final = "another quantity"
DISAGREES: Final = "disagrees"
NOT_AT_HAND: Final = "not run: data not at hand"
VERDICTS: Final = (AGREES, CONFIRMED, UNDECIDED, PUBLISHED_OFF, ANOTHER, DISAGREES, NOT_AT_HAND)

# How the published digits are known.
Known = Literal["read", "quoted", "recorded", "run", "none"]
KNOWN: Final[Mapping[Known, str]] = {
    "read": "read in the source",
    "quoted": "as another work quotes it",
    "recorded": "recorded earlier; the page was not read again",
    "run": "printed by the program itself, run by a script of this repository",
    "none": "no published digits at hand",
}
HALF_A_UNIT: Final = "half a unit of the last printed digit"
# A number that rounds to the printed one may differ by rounding of the subtraction.
_ROUNDING: Final = 1e-9


class DataNotAtHand(Exception):
    """A table that may not be shipped, and that the reader has not given."""


@dataclass(frozen=True)
class Tables:
    """Where tables come from: `directory` has those that may not be shipped."""

    directory: Path | None = None

    def shipped(self, name: str) -> pd.DataFrame:
        """A table of `mixcheck.datasets`."""
        return mc.datasets.load(name)

    def own(self, name: str) -> pd.DataFrame:
        """A table that lies in ``validation/published/data``."""
        return pd.read_csv(Path(__file__).parent / "data" / name)

    def external(self, name: str) -> pd.DataFrame:
        """A table of the reader's."""
        path = None if self.directory is None else self.directory / name
        if path is None or not path.exists():
            raise DataNotAtHand(name)
        return pd.read_csv(path)


@dataclass(frozen=True)
class Source:
    """Where a number is printed: `text` names the work, `place` the page, table or line."""

    text: str
    place: str
    known: Known


@dataclass(frozen=True)
class Number:
    """One published number.

    `published` is a text as it was printed, or a float of a program that prints all digits, which
    needs a `tolerance`, or None where no digits are at hand. `another` says that it is another
    quantity than ours, which is shown beside it and not judged.
    """

    quantity: str
    published: str | float | None
    tolerance: float | None = None
    because: str = HALF_A_UNIT
    another: bool = False
    note: str = ""

    def __post_init__(self) -> None:
        if self.tolerance is None and isinstance(self.published, float):
            raise ValueError(f"{self.quantity}: a number with all digits needs a tolerance")

    @property
    def allowed(self) -> float | None:
        """By how much ours may differ from what was published."""
        if self.tolerance is not None or self.published is None:
            return self.tolerance
        exponent = Decimal(str(self.published)).as_tuple().exponent
        assert isinstance(exponent, int)
        return 0.5 * 10.0**exponent


Values = Mapping[str, float]
# An independent value, and by how much ours may differ from it.
Independent = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Case:
    """One model of one data set: its published numbers, and how ours are computed.

    `ours` gives a value for each quantity. `independent` gives values of a computation that shares
    no code with mixcheck, which `by` describes. `data` names the table of the reader's that the
    case needs; `slow` cases take more than a second or two.
    """

    system: str
    name: str
    model: str
    approximation: str
    source: Source
    numbers: tuple[Number, ...]
    ours: Callable[[Tables], Values]
    independent: Callable[[Tables], Independent] | None = None
    by: str = ""
    data: str | None = None
    slow: bool = False
    note: str = ""


@dataclass(frozen=True)
class Row:
    """One number of one case, judged."""

    system: str
    case: str
    model: str
    approximation: str
    quantity: str
    published: str
    ours: float | None
    tolerance: float | None
    because: str
    verdict: str
    independent: float | None
    by: str
    source: str
    place: str
    known: str
    data: str
    note: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What no two rows share."""
        return self.system, self.case, self.quantity

    @property
    def difference(self) -> float | None:
        """Ours less the published number, or less the independent one where there is none."""
        other = float(self.published) if self.published else self.independent
        return None if self.ours is None or other is None else self.ours - other


def judge(number: Number, ours: float, independent: tuple[float, float] | None) -> str:
    """The verdict on one number."""
    confirmed = independent is not None and abs(ours - independent[0]) <= independent[1]
    if independent is not None and not confirmed:
        return DISAGREES
    if number.another:
        return ANOTHER
    if number.published is None:
        return CONFIRMED if confirmed else DISAGREES
    value, allowed = float(number.published), number.allowed
    assert allowed is not None
    if abs(ours - value) <= allowed * (1 + _ROUNDING):
        return AGREES
    if independent is None:
        return DISAGREES
    excluded = abs(independent[0] - value) > allowed + independent[1]
    return PUBLISHED_OFF if excluded else UNDECIDED


def within(values: Values, tolerance: float) -> Independent:
    """Independent values, known to `tolerance`: relative above one, absolute for logarithms."""
    return {
        name: (value, tolerance * (1.0 if "log" in name else max(1.0, abs(value))))
        for name, value in values.items()
    }


def run(case: Case, tables: Tables) -> Iterator[Row]:
    """The rows of a case; warnings of the fits are no news here."""
    ours: Values | None = None
    independent: Independent = {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ours = case.ours(tables)
            if case.independent is not None:
                independent = case.independent(tables)
    except DataNotAtHand:
        ours = None
    for number in case.numbers:
        yield _row(case, number, ours, independent)


def _row(case: Case, number: Number, ours: Values | None, independent: Independent) -> Row:
    value, check, verdict = None, independent.get(number.quantity), NOT_AT_HAND
    if ours is not None:
        value = float(ours[number.quantity])
        verdict = judge(number, value, check)
    because = number.because
    if number.published is None:
        because, allowed = "of the independent computation", None if check is None else check[1]
    else:
        allowed = number.allowed
    return Row(
        case.system,
        case.name,
        case.model,
        case.approximation,
        number.quantity,
        _printed(number.published),
        value,
        allowed,
        because,
        verdict,
        None if check is None else check[0],
        case.by if check is not None else "",
        case.source.text,
        case.source.place,
        KNOWN[case.source.known],
        "shipped" if case.data is None else case.data,
        " ".join(text for text in (number.note, case.note) if text),
    )


def _printed(published: str | float | None) -> str:
    if published is None:
        return ""
    return published if isinstance(published, str) else f"{published:.10g}"
