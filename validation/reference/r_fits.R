# Maximum-likelihood fits of published data sets by lme4 and glmmTMB, polished.
#
# Shows what the two packages' own objective functions reach when they are optimised
# until the gradient vanishes: their defaults stop 1e-4 .. 1e-3 short in the deviance.
# lme4 takes the expected information in the Laplace determinant, glmmTMB the observed
# one; the two agree for canonical links only.
#
# Run:   Rscript validation/reference/r_fits.R         (about 1 minute)
# Reads: validation/reference/data/seeds.csv, multicenter.csv
# Writes: validation/reference/r_fits.json, and for gold_laplace.py
#         validation/reference/data/{cbpp,bacteria,epil,sleepstudy}.csv.
# Needs: lme4, glmmTMB, MASS, jsonlite.

suppressPackageStartupMessages({
  library(lme4)
  library(glmmTMB)
})

here <- local({
  file <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
  if (length(file)) dirname(normalizePath(file)) else "validation/reference"
})

# ---- data ------------------------------------------------------------------

data("cbpp", package = "lme4")
data("grouseticks", package = "lme4")
data("sleepstudy", package = "lme4")
cbpp$obs <- seq_len(nrow(cbpp))

# Breslow and Clayton (1993), section 6.2, as in MASS: quarter of the baseline count,
# raw log age, visits coded -0.3, -0.1, 0.1, 0.3.
epil <- within(MASS::epil, {
  lbase4 <- log(base / 4)
  lage_raw <- log(age)
  visit <- (2 * period - 5) / 10
  Trt <- as.numeric(trt == "progabide")
  obs <- seq_along(y)
})

bacteria <- within(MASS::bacteria, {
  late <- as.numeric(week > 2)
  y <- as.numeric(y == "y")
})

seeds <- read.csv(file.path(here, "data", "seeds.csv"))
multicenter <- read.csv(file.path(here, "data", "multicenter.csv"))

write <- function(data, name) {
  write.csv(data, file.path(here, "data", paste0(name, ".csv")), row.names = FALSE, quote = FALSE)
}
write(cbpp, "cbpp")
write(bacteria, "bacteria")
write(epil, "epil")
write(sleepstudy, "sleepstudy")

# ---- numerical optimisation --------------------------------------------------

# Sixth-order central differences, one step length a parameter.
gradient <- function(f, par, step) {
  weight <- c(45, -9, 1) / 60
  vapply(seq_along(par), function(j) {
    e <- replace(numeric(length(par)), j, step[j])
    sum(weight * vapply(1:3, function(k) f(par + k * e) - f(par - k * e), 0)) / step[j]
  }, 0)
}

hessian <- function(gr, par, step) {
  H <- vapply(seq_along(par), function(j) {
    e <- replace(numeric(length(par)), j, step[j])
    (8 * (gr(par + e) - gr(par - e)) - (gr(par + 2 * e) - gr(par - 2 * e))) / (12 * step[j])
  }, par)
  (H + t(H)) / 2
}

# Newton steps from a good start; `f` is a deviance (-2 log-likelihood), so that the
# covariance of the estimates is 2 * solve(Hessian).
newton <- function(par, step, gr, rounds = 4) {
  for (i in seq_len(rounds)) {
    H <- hessian(gr, par, step)
    step <- 0.05 * sqrt(2 * diag(solve(H)))
    par <- par - drop(solve(H, gr(par)))
  }
  H <- hessian(gr, par, step)
  cov <- 2 * solve(H)
  list(par = par, cov = cov, gradient = max(abs(gr(par) * sqrt(diag(cov)))))
}

descend <- function(f, par, lower, restarts = 3) {
  for (i in seq_len(restarts)) {
    par <- nloptwrap(par, f, lower, rep(Inf, length(par)),
                     control = list(algorithm = "NLOPT_LN_BOBYQA", xtol_abs = 1e-10,
                                    ftol_abs = 1e-12, maxeval = 5000))$par
    par <- Nelder_Mead(f, par, lower = lower, control = list(FtolAbs = 1e-12, XtolRel = 1e-12,
                                                             maxfun = 5000))$par
  }
  par
}

# ---- lme4 --------------------------------------------------------------------

components_lme4 <- function(fit, theta, sigma) {
  vc <- mkVarCorr(sigma, fit@cnms, lengths(fit@cnms), theta, names(fit@cnms))
  components(lapply(vc, attr, "stddev"), lapply(vc, attr, "correlation"), fit@cnms)
}

components <- function(sd, cor, names) {
  group <- sub("\\.[0-9]+$", "", names(names))
  rows <- do.call(rbind, lapply(seq_along(sd), function(t) {
    data.frame(group = group[t], name = names[[t]], sd = unname(sd[[t]]))
  }))
  pairs <- lapply(seq_along(sd), function(t) {
    if (length(names[[t]]) != 2 || is.null(cor[[t]]) || nrow(cor[[t]]) != 2) return(NULL)
    pair <- names[[t]]
    data.frame(group = group[t], name1 = pair[1], name2 = pair[2], corr = cor[[t]][2, 1])
  })
  list(components = rows, correlations = do.call(rbind, pairs))
}

# lme4 takes the determinant one step before PIRLS stops, so that a tolerance of 1e-12 still
# leaves 5e-5 in the deviance of grouseticks; below 1e-13 step halving fails on rounding.
tight_deviance <- function(f) {
  force(f)
  function(par) {
    for (tolerance in c(1e-13, 1e-12)) {
      environment(f)$tolPwrss <- tolerance
      value <- tryCatch(f(par), error = function(e) NULL)
      if (!is.null(value)) return(value)
    }
    stop("PIRLS failed at every tolerance")
  }
}

polish_glmer <- function(formula, data, family, ...) {
  fit <- suppressWarnings(glmer(formula, data, family, ..., nAGQ = 1))
  f <- suppressWarnings(glmer(formula, data, family, ..., nAGQ = 1, devFunOnly = TRUE))
  f <- tight_deviance(f)
  k <- length(fit@theta)
  se <- c(pmax(0.1 * fit@theta, 1e-2), sqrt(diag(vcov(fit))))
  par <- descend(f, c(fit@theta, fixef(fit)), c(fit@lower, rep(-Inf, length(fixef(fit)))), 1)
  best <- newton(par, 0.02 * se, function(p) gradient(f, p, 0.02 * se))
  beta <- best$par[-seq_len(k)]
  c(list(engine = "lme4", hessian = "expected", llf = -f(best$par) / 2,
         llf_default = as.numeric(logLik(fit)), fixef = as.list(setNames(beta, names(fixef(fit)))),
         se = as.list(setNames(sqrt(diag(best$cov))[-seq_len(k)], names(fixef(fit)))),
         sigma = NULL, max_scaled_gradient = best$gradient),
    components_lme4(fit, best$par[seq_len(k)], 1))
}

polish_lmer <- function(formula, data) {
  fit <- lmer(formula, data, REML = FALSE)
  f <- lmer(formula, data, REML = FALSE, devFunOnly = TRUE)
  par <- descend(f, fit@theta, fit@lower, 2)
  step <- 0.003 + 0 * par
  best <- newton(par, step, function(p) gradient(f, p, step))
  deviance <- f(best$par)
  pp <- environment(f)$pp
  resp <- environment(f)$resp
  sigma <- sqrt((resp$wrss() + pp$sqrL(1)) / nrow(data))
  list_fixed <- function(v) as.list(setNames(v, names(fixef(fit))))
  c(list(engine = "lme4", hessian = "observed", llf = -deviance / 2,
         llf_default = as.numeric(logLik(fit)), fixef = list_fixed(pp$beta(1)),
         se = list_fixed(sigma * sqrt(diag(pp$unsc()))),
         sigma = sigma, max_scaled_gradient = best$gradient),
    components_lme4(fit, best$par, sigma))
}

# ---- glmmTMB -----------------------------------------------------------------

polish_tmb <- function(formula, data, family, ...) {
  fit <- suppressWarnings(glmmTMB(formula, data, family, ...))
  obj <- fit$obj
  f <- function(p) 2 * as.numeric(obj$fn(p))
  gr <- function(p) 2 * as.numeric(obj$gr(p))
  tight <- list(eval.max = 5000, iter.max = 5000, rel.tol = 1e-15, x.tol = 1e-12)
  par <- nlminb(fit$fit$par, f, gr, control = tight)$par
  best <- newton(par, rep(1e-3, length(par)), gr)
  llf <- -f(best$par) / 2
  report <- obj$report(obj$env$last.par)
  fixed <- names(par) == "beta"
  gaussian <- fit$modelInfo$family$family == "gaussian"
  # log of the variance in glmmTMB 1.1.5, log of the standard deviation since 1.1.8
  power <- if (packageVersion("glmmTMB") < "1.1.8") 0.5 else 1
  labels <- names(fixef(fit)$cond)
  c(list(engine = "glmmTMB", hessian = "observed", llf = llf, llf_default = as.numeric(logLik(fit)),
         fixef = as.list(setNames(best$par[fixed], labels)),
         se = as.list(setNames(sqrt(diag(best$cov))[fixed], labels)),
         sigma = if (gaussian) unname(exp(power * best$par[names(par) == "betad"])) else NULL,
         max_scaled_gradient = best$gradient),
    components(report$sd, report$corr, fit$modelInfo$reTrms$cond$cnms))
}

# ---- cases -------------------------------------------------------------------

cbpp_formula <- cbind(incidence, size - incidence) ~ period + (1 | herd)
cbpp_obs <- cbind(incidence, size - incidence) ~ period + (1 | herd) + (1 | obs)
seeds_formula <- cbind(r, n - r) ~ x1 * x2 + (1 | plate)
bacteria_formula <- y ~ trt + late + (1 | ID)
multicenter_formula <- cbind(sideeffect, n - sideeffect) ~ group + (1 | center)
epil2_formula <- y ~ lbase4 * Trt + lage_raw + V4 + (1 | subject)
epil3_formula <- y ~ lbase4 * Trt + lage_raw + V4 + (1 | subject) + (1 | obs)
epil4_formula <- y ~ lbase4 * Trt + lage_raw + visit + (visit | subject)
ticks_formula <- TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | INDEX) + (1 | LOCATION)
sleep_formula <- Reaction ~ Days + (Days | Subject)
sleep_diagonal <- Reaction ~ Days + (Days || Subject)
logit <- binomial("logit")
probit <- binomial("probit")
cloglog <- binomial("cloglog")
log_poisson <- poisson("log")

both <- function(formula, data, family) {
  list(lme4 = polish_glmer(formula, data, family), glmmTMB = polish_tmb(formula, data, family))
}

fits <- list(
  cbpp = both(cbpp_formula, cbpp, logit),
  cbpp_probit = both(cbpp_formula, cbpp, probit),
  cbpp_cloglog = both(cbpp_formula, cbpp, cloglog),
  cbpp_obs = both(cbpp_obs, cbpp, logit),
  seeds = both(seeds_formula, seeds, logit),
  bacteria = both(bacteria_formula, bacteria, logit),
  multicenter = both(multicenter_formula, multicenter, logit),
  epil_2 = both(epil2_formula, epil, log_poisson),
  epil_3 = both(epil3_formula, epil, log_poisson),
  epil_4 = both(epil4_formula, epil, log_poisson),
  grouseticks = both(ticks_formula, grouseticks, log_poisson),
  sleepstudy = list(lme4 = polish_lmer(sleep_formula, sleepstudy),
                    glmmTMB = polish_tmb(sleep_formula, sleepstudy, gaussian())),
  sleepstudy_diagonal = list(
    lme4 = polish_lmer(sleep_diagonal, sleepstudy),
    glmmTMB = polish_tmb(Reaction ~ Days + diag(Days | Subject), sleepstudy, gaussian()))
)

for (case in names(fits)) {
  for (engine in names(fits[[case]])) {
    fit <- fits[[case]][[engine]]
    cat(sprintf("%-20s %-8s llf %16.9f  default short by %9.2e  scaled gradient %8.1e\n",
                case, engine, fit$llf, fit$llf - fit$llf_default, fit$max_scaled_gradient))
  }
}

versions <- c(R = as.character(getRversion()),
              vapply(c("lme4", "glmmTMB", "TMB", "Matrix", "MASS"),
                     function(p) as.character(packageVersion(p)), ""))
jsonlite::write_json(list(versions = as.list(versions), fits = fits),
                     file.path(here, "r_fits.json"), auto_unbox = TRUE, digits = I(15),
                     pretty = TRUE, null = "null", na = "null")
