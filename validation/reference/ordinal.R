# Ordered categories fitted by ordinal::clmm, on simulated data and on the wine data.
#
# Shows log-likelihoods, estimates and standard errors of clmm for cumulative links, by Laplace's
# approximation and by quadrature. clmm 2022.11-16 has "cloglog" and "loglog" exchanged beside clm
# and MASS::polr of the same model; cases here are named as in clm. The wine data belong to the
# package, whose licence is the GPL: only numbers computed from them are stored.
#
# Run:    Rscript validation/reference/ordinal.R        (a few seconds)
# Writes: validation/reference/ordinal.json, tests/data/ordinal_reference.json
# Needs:  ordinal, jsonlite.

suppressPackageStartupMessages(library(ordinal))

here <- local({
  file <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
  if (length(file)) dirname(normalizePath(file)) else "validation/reference"
})

set.seed(1)
n <- 240
made <- data.frame(g = rep(1:24, each = 10), x = round(rnorm(n), 3),
                   f = sample(c("a", "b", "c"), n, replace = TRUE))
eta <- 0.8 * made$x + 0.6 * (made$f == "b") + rnorm(24)[made$g]
made$y <- findInterval(eta + rlogis(n), c(-1, 0.3, 1.6)) + 1

links <- c(logit = "logit", probit = "probit", cloglog = "loglog")
fit <- function(formula, data, link, nodes) {
  m <- suppressWarnings(clmm(formula, data, link = links[[link]], nAGQ = nodes, Hess = TRUE))
  stopifnot(m$optRes$convergence == 0)
  list(link = link, nodes = nodes, llf = as.numeric(logLik(m)), estimates = as.list(coef(m)),
       errors = as.list(sqrt(diag(vcov(m)))[names(coef(m))]),
       sd = as.numeric(attr(VarCorr(m)[[1]], "stddev")))
}

cases <- list()
for (link in c("logit", "probit", "cloglog")) {
  for (nodes in c(1L, 15L)) {
    cases[[paste(link, nodes, sep = "_")]] <- fit(factor(y) ~ x + f + (1 | g), made, link, nodes)
  }
}
wine_cases <- list()
for (link in c("logit", "probit", "cloglog")) {
  for (nodes in c(1L, 15L)) {
    wine_cases[[paste(link, nodes, sep = "_")]] <-
      fit(rating ~ temp + contact + (1 | judge), wine, link, nodes)
  }
}
versions <- list(R = as.character(getRversion()),
                 ordinal = as.character(packageVersion("ordinal")))
source <- "ordinal::clmm, by validation/reference/ordinal.R"
write <- function(held, path) {
  jsonlite::write_json(held, path, auto_unbox = TRUE, digits = 12, pretty = TRUE)
}
held <- list(source = source, versions = versions, data = as.list(made), fits = cases)
write(c(held, list(wine = wine_cases)), file.path(here, "ordinal.json"))
write(held, file.path(here, "../../tests/data/ordinal_reference.json"))
for (name in names(cases)) cat(sprintf("%-12s %16.9f\n", name, cases[[name]]$llf))
for (name in names(wine_cases)) cat(sprintf("wine %-12s %16.9f\n", name, wine_cases[[name]]$llf))
