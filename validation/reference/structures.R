# Covariance structures: ar1 and cs by glmmTMB, and related levels by lme4, polished.
#
# glmmTMB 1.1.5 has ar1 and cs (one standard deviation for each effect), and no propto. Related
# levels are fitted by lme4 with Z replaced by Z L for the Cholesky factor L of their matrix
# (Vazquez et al. 2010, Journal of Animal Science 88, 497-504). The matrix is made up: K_ij =
# 0.8^|i - j| for the i-th and j-th level in the order of R's factor. An AR(1) with a residual error
# is an exponential correlation with a nugget: gls of nlme; glmmTMB 1.1.5 ends at a saddle there.
# glmmTMB reports correlations that are a little smaller than those of its theta (by a factor of
# 0.99994); tests compare theta.
#
# Run:    Rscript validation/reference/structures.R        (seconds)
# Writes: validation/reference/structures.json, tests/data/structures.json
# Needs:  glmmTMB, lme4, nlme, MASS, jsonlite.

suppressPackageStartupMessages({
  library(lme4)
  library(glmmTMB)
})

here <- local({
  file <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
  if (length(file)) dirname(normalizePath(file)) else "validation/reference"
})

data("cbpp", package = "lme4")
data("sleepstudy", package = "lme4")
cbpp$p <- cbpp$period
sleepstudy$day <- factor(sleepstudy$Days)
epil <- within(MASS::epil, {
  lbase4 <- log(base / 4)
  visit <- factor(period)
})

# Minimise from glmmTMB's optimum and polish by Newton steps on the AD gradient.
by_glmmTMB <- function(formula, data, family) {
  fit <- suppressWarnings(glmmTMB(formula, data, family))
  obj <- fit$obj
  tight <- list(eval.max = 5000, iter.max = 5000, rel.tol = 1e-15, x.tol = 1e-12)
  par <- nlminb(fit$fit$par, obj$fn, obj$gr, control = tight)$par
  for (step in 1:4) {
    gradient <- as.numeric(obj$gr(par))
    move <- tryCatch(solve(optimHess(par, obj$fn, obj$gr), gradient), error = function(e) NULL)
    if (is.null(move) || !all(is.finite(move)) || obj$fn(par - move) > obj$fn(par)) break
    par <- par - move
  }
  value <- -as.numeric(obj$fn(par))
  theta <- names(par) == "theta"
  covariance <- solve(optimHess(par, obj$fn, obj$gr, control = list(ndeps = rep(1e-4, length(par)))))
  list(llf = value, params = unname(par[names(par) == "beta"]),
       bse = unname(sqrt(diag(covariance))[names(par) == "beta"]),
       theta = unname(par[theta]), theta_se = unname(sqrt(diag(covariance))[theta]),
       max_gradient = max(abs(obj$gr(par))))
}

related <- function(levels) {
  at <- seq_along(levels)
  0.8^abs(outer(at, at, "-"))
}

by_lme4 <- function(formula, data, family = NULL) {
  parsed <- if (is.null(family)) lFormula(formula, data, REML = FALSE) else glFormula(formula, data, family)
  L <- t(chol(related(levels(parsed$reTrms$flist[[1]]))))
  parsed$reTrms$Zt <- as(t(L) %*% parsed$reTrms$Zt, "CsparseMatrix")
  tight <- list(rhobeg = 0.1, rhoend = 1e-10, maxfun = 1e5)
  if (is.null(family)) {
    deviance <- do.call(mkLmerDevfun, parsed)
    best <- optimizeLmer(deviance, optimizer = "bobyqa", control = tight)
    fit <- mkMerMod(environment(deviance), best, parsed$reTrms, parsed$fr)
    return(list(llf = -best$fval / 2, params = unname(fixef(fit)),
                sd = unname(getME(fit, "theta")) * sigma(fit), residual = sigma(fit)))
  }
  deviance <- do.call(mkGlmerDevfun, c(parsed, list(control = glmerControl(tolPwrss = 1e-13))))
  optimizeGlmer(deviance)
  deviance <- updateGlmerDevfun(deviance, parsed$reTrms)
  best <- optimizeGlmer(deviance, stage = 2, optimizer = "bobyqa", control = tight)
  fit <- mkMerMod(environment(deviance), best, parsed$reTrms, parsed$fr)
  list(llf = as.numeric(logLik(fit)), params = unname(fixef(fit)), sd = unname(getME(fit, "theta")))
}

by_gls <- function(method) {
  tight <- nlme::glsControl(tolerance = 1e-12, msTol = 1e-14, maxIter = 500, msMaxIter = 500,
                            opt = "nlminb")
  fit <- nlme::gls(Reaction ~ Days, sleepstudy, method = method, control = tight,
                   correlation = nlme::corExp(form = ~ Days | Subject, nugget = TRUE))
  held <- coef(fit$modelStruct$corStruct, unconstrained = FALSE)
  list(llf = as.numeric(logLik(fit)), params = unname(coef(fit)),
       sd = fit$sigma * sqrt(1 - held[["nugget"]]), residual = fit$sigma * sqrt(held[["nugget"]]),
       correlation = exp(-1 / held[["range"]]))
}

seizures <- y ~ lbase4 * trt + log(age) + V4
cases <- list(
  epil_ar1 = by_glmmTMB(update(seizures, ~ . + ar1(0 + visit | subject)), epil, poisson()),
  epil_ar1_intercept = by_glmmTMB(update(seizures, ~ . + (1 | subject) + ar1(0 + visit | subject)), epil, poisson()),
  epil_cs = by_glmmTMB(update(seizures, ~ . + cs(0 + visit | subject)), epil, poisson()),
  cbpp_ar1 = by_glmmTMB(cbind(incidence, size - incidence) ~ period + ar1(0 + p | herd), cbpp, binomial()),
  sleep_ar1 = by_gls("ML"),
  sleep_ar1_slope = by_glmmTMB(Reaction ~ Days + (0 + Days | Subject) + ar1(0 + day | Subject), sleepstudy, gaussian()),
  sleep_ar1_reml = by_gls("REML"),
  cbpp_related = by_lme4(cbind(incidence, size - incidence) ~ period + (1 | herd), cbpp, binomial()),
  sleep_related = by_lme4(Reaction ~ Days + (1 | Subject), sleepstudy)
)

used <- c("glmmTMB", "lme4", "nlme", "TMB", "Matrix")
versions <- c(R = paste(R.version$major, R.version$minor, sep = "."),
              vapply(used, function(name) as.character(packageVersion(name)), ""))
text <- jsonlite::toJSON(list(versions = as.list(versions), cases = cases),
                         auto_unbox = TRUE, digits = 12, pretty = TRUE)
for (target in c(file.path(here, "structures.json"),
                 file.path(here, "..", "..", "tests", "data", "structures.json"))) {
  writeLines(text, target)
}
