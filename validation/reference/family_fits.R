# Counts, proportions and positive responses fitted by glmmTMB, polished.
#
# Shows the log-likelihood that glmmTMB's own objective reaches when its gradient vanishes,
# for the families, zero parts and dispersion models that mixcheck shares with it.
#
# Run:    Rscript validation/reference/family_fits.R        (about 1 minute)
# Writes: validation/reference/family_fits.json, tests/data/family_reference.json
# Needs:  glmmTMB, lme4, MASS, jsonlite.

suppressPackageStartupMessages({
  library(glmmTMB)
})

here <- local({
  file <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
  if (length(file)) dirname(normalizePath(file)) else "validation/reference"
})

data("cbpp", package = "lme4")
data("grouseticks", package = "lme4")
data("sleepstudy", package = "lme4")
data("Owls", package = "glmmTMB")
data("Salamanders", package = "glmmTMB")
sleepstudy$share <- sleepstudy$Reaction / 600
epil <- within(MASS::epil, {
  lbase4 <- log(base / 4)
  lage_raw <- log(age)
  Trt <- as.numeric(trt == "progabide")
})
tables <- list(cbpp = cbpp, grouseticks = grouseticks, sleepstudy = sleepstudy, Owls = Owls,
               Salamanders = Salamanders, epil = epil)

# Minimise from glmmTMB's optimum and polish by Newton steps on the AD gradient.
polish <- function(formula, data, family, ziformula, dispformula) {
  fit <- suppressWarnings(glmmTMB(formula, data, family, ziformula = ziformula,
                                  dispformula = dispformula))
  obj <- fit$obj
  tight <- list(eval.max = 5000, iter.max = 5000, rel.tol = 1e-15, x.tol = 1e-12)
  par <- nlminb(fit$fit$par, obj$fn, obj$gr, control = tight)$par
  for (step in 1:4) {
    gradient <- as.numeric(obj$gr(par))
    move <- tryCatch(solve(optimHess(par, obj$fn, obj$gr), gradient), error = function(e) NULL)
    if (is.null(move) || !all(is.finite(move)) || obj$fn(par - move) > obj$fn(par)) break
    par <- par - move
  }
  list(llf = -as.numeric(obj$fn(par)), llf_default = as.numeric(logLik(fit)),
       max_gradient = max(abs(obj$gr(par))))
}

owls <- "SiblingNegotiation ~ (FoodTreatment + ArrivalTime) * SexParent + offset(log(BroodSize)) + (1 | Nest)"
brood <- "SiblingNegotiation ~ (FoodTreatment + ArrivalTime) * SexParent + BroodSize + (1 | Nest)"
brood_zi <- "~ (FoodTreatment + ArrivalTime) * SexParent + BroodSize + (1 | Nest)"
sal <- "count ~ spp + mined + (1 | site)"
ticks <- "TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | LOCATION)"
seizures <- "y ~ lbase4 * Trt + lage_raw + V4 + (1 | subject)"

# name, data, formula, family of glmmTMB, zero part, dispersion
cases <- list(
  c("cbpp_betabinomial", "cbpp", "cbind(incidence, size - incidence) ~ period + (1 | herd)", "betabinomial", "", ""),
  c("grouseticks_nbinom1", "grouseticks", ticks, "nbinom1", "", ""),
  c("grouseticks_nbinom2", "grouseticks", ticks, "nbinom2", "", ""),
  c("epil_nbinom2", "epil", seizures, "nbinom2", "", ""),
  c("owls_poisson", "Owls", owls, "poisson", "", ""),
  c("owls_zip", "Owls", owls, "poisson", "~ 1", ""),
  c("owls_nbinom1", "Owls", owls, "nbinom1", "", ""),
  c("owls_zinb1", "Owls", owls, "nbinom1", "~ 1", ""),
  c("owls_nbinom2", "Owls", owls, "nbinom2", "", ""),
  c("owls_zinb2", "Owls", owls, "nbinom2", "~ 1", ""),
  c("owls_brood_zinb1", "Owls", brood, "nbinom1", "~ 1", ""),
  c("owls_hurdle_poisson", "Owls", brood, "truncated_poisson", brood_zi, ""),
  c("owls_hurdle_nbinom1", "Owls", brood, "truncated_nbinom1", brood_zi, ""),
  c("owls_hurdle_nbinom2", "Owls", brood, "truncated_nbinom2", brood_zi, ""),
  c("salamanders_poisson", "Salamanders", "count ~ spp * mined + (1 | site)", "poisson", "", ""),
  c("salamanders_nbinom1", "Salamanders", sal, "nbinom1", "", ""),
  c("salamanders_nbinom2", "Salamanders", sal, "nbinom2", "", ""),
  c("salamanders_dispersion", "Salamanders", sal, "nbinom2", "", "~ spp"),
  c("salamanders_zip", "Salamanders", sal, "poisson", "~ mined", ""),
  c("salamanders_zinb2", "Salamanders", sal, "nbinom2", "~ mined", ""),
  c("salamanders_hurdle_poisson", "Salamanders", "count ~ spp + mined", "truncated_poisson", "~ spp + mined", ""),
  c("salamanders_hurdle_nbinom2", "Salamanders", sal, "truncated_nbinom2", "~ spp + mined + (1 | site)", ""),
  c("sleepstudy_gamma", "sleepstudy", "Reaction ~ Days + (1 | Subject)", "Gamma", "", ""),
  c("sleepstudy_beta", "sleepstudy", "share ~ Days + (1 | Subject)", "beta_family", "", ""),
  c("sleepstudy_lognormal", "sleepstudy", "Reaction ~ Days + (1 | Subject)", "lognormal", "", ""),
  c("sleepstudy_t_slopes", "sleepstudy", "Reaction ~ Days + (Days | Subject)", "t", "", ""),
  c("sleepstudy_t_log", "sleepstudy", "Reaction ~ Days + (1 | Subject)", "t_log", "", ""),
  c("sleepstudy_t_dispersion", "sleepstudy", "Reaction ~ Days + (Days | Subject)", "t", "", "~ Days")
)
families <- list(
  poisson = poisson(), nbinom1 = nbinom1(), nbinom2 = nbinom2(), betabinomial = betabinomial(),
  truncated_poisson = truncated_poisson(), truncated_nbinom1 = truncated_nbinom1(),
  truncated_nbinom2 = truncated_nbinom2(), Gamma = Gamma(link = "log"), beta_family = beta_family(),
  t = t_family(), t_log = t_family(link = "log")
)
if (packageVersion("glmmTMB") >= "1.1.8") families$lognormal <- glmmTMB::lognormal()
names_here <- c(Gamma = "gamma", beta_family = "beta")

fits <- list()
for (case in cases) {
  if (is.null(families[[case[4]]])) next
  zi <- if (nzchar(case[5])) as.formula(case[5]) else ~0
  disp <- if (nzchar(case[6])) as.formula(case[6]) else ~1
  fit <- polish(as.formula(case[3]), tables[[case[2]]], families[[case[4]]], zi, disp)
  cat(sprintf("%-28s llf %16.9f  default short by %9.2e  gradient %8.1e\n", case[1], fit$llf,
              fit$llf - fit$llf_default, fit$max_gradient))
  family <- if (case[4] %in% names(names_here)) names_here[[case[4]]] else case[4]
  fits[[case[1]]] <- c(list(dataset = case[2], formula = case[3], family = family,
                            zi = case[5], dispersion = case[6]), fit)
}
versions <- c(R = as.character(getRversion()),
              vapply(c("glmmTMB", "TMB"), function(p) as.character(packageVersion(p)), ""))
held <- list(source = "glmmTMB, polished by validation/reference/family_fits.R",
             versions = as.list(versions), fits = fits)
for (path in c(file.path(here, "family_fits.json"),
               file.path(here, "../../tests/data/family_reference.json"))) {
  jsonlite::write_json(held, path, auto_unbox = TRUE, digits = 15, pretty = TRUE)
}
