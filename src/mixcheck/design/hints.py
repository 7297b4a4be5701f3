"""What to write for functions that R users know and that are not there."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["HINTS"]

# What to write for functions that are known elsewhere and are not there.
HINTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(
            ("s", "te", "ti", "t2", "lo"),
            "smooth terms with a penalty are not there; write bs(x, df=4) or ns(x, df=4)",
        ),
        **dict.fromkeys(("rcs", "rcspline"), "write ns(x, df=4)"),
        **dict.fromkeys(
            ("lag", "diff", "cumsum", "rank", "order", "rev", "sort", "cumprod", "rle"),
            "it looks at other rows, and rows may be left out; make a column of it in the data",
        ),
        **dict.fromkeys(
            ("is.na", "is.nan", "complete.cases"),
            "rows with a missing value are left out; make a column of it in the data",
        ),
        **dict.fromkeys(
            (
                "paste",
                "paste0",
                "str",
                "substr",
                "grepl",
                "sub",
                "gsub",
                "hashed",
                "nchar",
                "toupper",
                "tolower",
                "startsWith",
                "endsWith",
                "trimws",
                "sprintf",
                "signif",
                "rep",
                "weekdays",
                "quarters",
                "format",
                "difftime",
                "as.POSIXct",
                "as.Date",
                "data.frame",
                "list",
                "matrix",
            ),
            "make a column of it in the data",
        ),
        **dict.fromkeys(
            ("ave", "tapply", "aggregate", "demean"),
            "means of groups are a column of the data, as "
            "data.groupby('g')['x'].transform('mean') makes it",
        ),
        **dict.fromkeys(
            ("rnorm", "runif", "rbinom", "rpois", "sample", "jitter"),
            "random numbers are a column of the data, so that they stay what they are",
        ),
        "findInterval": "write cut(x, c(-Inf, a, b, Inf), right=FALSE)",
        "is.element": "write x %in% c(1, 2)",
        "between": "write x >= a & x <= b",
        **dict.fromkeys(("cbind", "rbind"), "cbind(k, n - k) is a response, and stands left of ~"),
        **dict.fromkeys(("ar1", "cs1", "ou", "mat", "toep"), "write (1 + x | g) or ar1(0 + t | g)"),
        **dict.fromkeys(("julian", "date"), "write days(date), the days since 1970"),
        **dict.fromkeys(("std", "zscore", "stdize", "standardise"), "write scale(x)"),
        **dict.fromkeys(("as.vector", "drop", "as.matrix"), "what it is called on stands alone"),
        **dict.fromkeys(("fct_relevel", "fct_reorder", "reorder"), "write relevel(f, ref='b')"),
        "ln": "write log(x)",
        "months": "write factor(month(date))",
        "droplevels": "levels that do not occur are left out; write the factor alone",
        "offset": "an offset is added by itself: write + offset(x)",
        "case_when": "write ifelse(condition, yes, no)",
        "if_else": "write ifelse(condition, yes, no)",
        "polym": "write poly(x, 2) + poly(z, 2), or their product",
        "mo": "write factor(x)",
        "Recode": "make a column of it in the data",
        "recode": "make a column of it in the data",
        "Surv": "survival models are not there",
    }
)
