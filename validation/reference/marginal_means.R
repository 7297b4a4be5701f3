# Marginal means and contrasts of emmeans on fits of glmer and glmmTMB, written to marginal_means.json beside
# this file, with the covariances that these have from their Hessians.
#
#   Rscript validation/reference/marginal_means.R
suppressMessages({
  library(lme4)
  library(glmmTMB)
  library(emmeans)
  library(jsonlite)
})
set.seed(1)

tight <- glmerControl(
  optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9, maxfun = 1e5), tolPwrss = 1e-12
)
table_of <- function(found) {
  frame <- as.data.frame(found)
  frame[] <- lapply(frame, function(column) if (is.factor(column)) as.character(column) else column)
  as.list(frame)
}
with_ends <- function(found, ...) table_of(summary(found, infer = c(TRUE, TRUE), ...))

binomial <- glmer(
  cbind(incidence, size - incidence) ~ period + (1 | herd), cbpp, binomial, control = tight
)
periods <- emmeans(binomial, "period")
ticks <- grouseticks
ticks$YEAR <- factor(ticks$YEAR)
ticks$high <- factor(ifelse(ticks$HEIGHT > 460, "yes", "no"))
counts <- glmmTMB(
  TICKS ~ YEAR * high + cHEIGHT + (1 | BROOD), ticks, poisson,
  control = glmmTMBControl(
    optimizer = optim, optArgs = list(method = "BFGS"),
    optCtrl = list(reltol = 1e-15, maxit = 1000)
  )
)
holes <- subset(ticks, !(YEAR == "97" & high == "yes"))
partial <- glmer(TICKS ~ YEAR * high + (1 | BROOD), holes, poisson, control = tight)

out <- list(
  versions = list(
    R = as.character(getRversion()), lme4 = as.character(packageVersion("lme4")),
    glmmTMB = as.character(packageVersion("glmmTMB")),
    emmeans = as.character(packageVersion("emmeans"))
  ),
  cbpp = list(
    link = table_of(periods),
    response = table_of(summary(periods, type = "response")),
    pairwise = with_ends(contrast(periods, "pairwise")),
    ratio = with_ends(contrast(periods, "pairwise"), type = "response"),
    reference = with_ends(contrast(periods, "trt.vs.ctrl"), adjust = "mvt"),
    consecutive = with_ends(contrast(periods, "consec"), adjust = "mvt"),
    polynomial = with_ends(contrast(periods, "poly")),
    holm = table_of(summary(contrast(periods, "pairwise"), adjust = "holm")),
    sidak = with_ends(contrast(periods, "pairwise"), adjust = "sidak"),
    bonferroni = with_ends(contrast(periods, "pairwise"), adjust = "bonferroni"),
    differences = with_ends(contrast(regrid(periods), "pairwise"))
  ),
  ticks = list(
    equal = table_of(emmeans(counts, df = Inf, "high")),
    proportional = table_of(emmeans(counts, df = Inf, "high", weights = "proportional")),
    cells = table_of(emmeans(counts, df = Inf, "high", weights = "cells")),
    by = with_ends(pairs(emmeans(counts, df = Inf, "YEAR", by = "high"))),
    at = table_of(emmeans(counts, df = Inf, "YEAR", at = list(cHEIGHT = c(-50, 50)), by = "cHEIGHT")),
    averaged = table_of(emmeans(counts, df = Inf, "YEAR", regrid = "response"))
  ),
  holes = list(cells = table_of(emmeans(partial, c("YEAR", "high"))))
)
file <- sub("--file=", "", grep("--file=", commandArgs(), value = TRUE))
write(
  toJSON(out, digits = NA, auto_unbox = TRUE, pretty = TRUE, na = "null"),
  file.path(dirname(file), "marginal_means.json")
)
