# Time lme4::glmer and glmmTMB with their defaults.
#
# Shows the seconds of the fit call, formula and standard errors included (glmer's
# numerical Hessian, glmmTMB's sdreport); grouping factors are factors beforehand. Of a
# conditional AIC it times some refits, each with one response changed, and infers the time
# of all; of a selection the fits of all subsets of the fixed terms in two processes.
#
# Run: Rscript validation/benchmarks/bench_r.R ENGINE CASE DIRECTORY REPEATS [REFITS];
# normally by run.py. Prints one line of JSON.

argument <- commandArgs(TRUE)
engine <- argument[1]
case <- argument[2]
directory <- argument[3]
repeats <- as.integer(argument[4])
most_refits <- if (length(argument) > 4) as.integer(argument[5]) else 40L
cores <- 2L
package <- if (engine == "glmer") "lme4" else "glmmTMB"
suppressPackageStartupMessages(library(package, character.only = TRUE))

load_case <- function(case) {
  names <- jsonlite::fromJSON(file.path(directory, paste0(case, ".json")))
  file <- file.path(directory, paste0(case, ".bin"))
  values <- readBin(file, "double", file.size(file) / 8)
  data <- as.data.frame(matrix(values, ncol = length(names), dimnames = list(NULL, names)))
  for (name in intersect(c("g", "h", "herd", "period", "site", "spp"), names)) data[[name]] <- factor(data[[name]])
  if ("size" %in% names) data$fail <- data$size - data$incidence
  data
}

intercept <- y ~ x1 + x2 + (1 | g)
herds <- cbind(incidence, fail) ~ period + (1 | herd)

fit_r <- function(formula, data, family, nodes = 1L, zeros = ~ 0) {
  if (engine == "glmer") return(glmer(formula, data, family, nAGQ = nodes))
  glmmTMB(formula, data, family, ziformula = zeros)
}

fit <- function(case, data) {
  switch(sub("_(1e.|500|refit|derivative|exact)$", "", case),
    cbpp = fit_r(herds, data, binomial()),
    logistic = ,
    caic_bernoulli = fit_r(intercept, data, binomial()),
    caic_poisson = fit_r(intercept, data, poisson()),
    poisson_slope = fit_r(y ~ x1 + x2 + (x1 | g), data, poisson()),
    gaussian_slope = if (engine == "glmer") {
      lmer(y ~ x1 + x2 + (x1 | g), data, REML = FALSE)
    } else {
      fit_r(y ~ x1 + x2 + (x1 | g), data, gaussian())
    },
    crossed = fit_r(y ~ x1 + x2 + (1 | g) + (1 | h), data, binomial()),
    agq10 = fit_r(intercept, data, binomial(), nodes = 10L),
    nbinom2 = fit_r(intercept, data, nbinom2()),
    zinb2 = fit_r(intercept, data, nbinom2(), zeros = ~ 1),
    beta = fit_r(intercept, data, beta_family()),
    gamma = fit_r(intercept, data, Gamma("log")),
    stop("no such case: ", case)
  )
}

# Refits with one response changed: a Poisson count lowered by one (Chen and Stein), a
# Bernoulli response turned (Efron). Degrees of freedom are inferred from those refitted.
caic_refits <- function(case, data) {
  first <- fit(case, data)
  counts <- grepl("poisson", case)
  rows <- if (counts) which(data$y > 0) else seq_len(nrow(data))
  set.seed(1)
  chosen <- if (length(rows) > most_refits) sample(rows, most_refits) else rows
  changed <- if (counts) data$y - 1 else 1 - data$y
  link <- if (counts) log else qlogis
  function() {
    moved <- vapply(chosen, function(i) {
      new <- data$y
      new[i] <- changed[i]
      link(fitted(refit(first, newresp = new))[i])
    }, numeric(1))
    mean <- fitted(first)[chosen]
    weight <- if (counts) data$y[chosen] else mean * (1 - mean) * sign(data$y[chosen] - 0.5)
    parts <- weight * (link(mean) - moved)
    list(llf = as.numeric(logLik(first)), df = mean(parts) * length(rows),
         timed = length(chosen), refits = length(rows))
  }
}

# All subsets of seven fixed terms; the log-likelihood is of the best by AIC.
select_subsets <- function(case, data) {
  family <- if (case == "select_poisson") poisson() else nbinom2()
  terms <- c("mined", "cover", "sample", "DOP", "Wtemp", "DOY", "spp")
  subsets <- lapply(seq_len(2^length(terms)) - 1, function(code) {
    terms[bitwAnd(code, 2^(seq_along(terms) - 1)) > 0]
  })
  one <- function(subset) {
    model <- suppressWarnings(fit_r(reformulate(c("1", subset, "(1 | site)"), "y"), data, family))
    c(AIC(model), logLik(model))
  }
  function() {
    found <- simplify2array(parallel::mclapply(subsets, one, mc.cores = cores))
    list(llf = found[2, which.min(found[1, ])])
  }
}

prepare <- function(case, data) {
  if (startsWith(case, "caic")) return(caic_refits(case, data))
  if (startsWith(case, "select")) return(select_subsets(case, data))
  run <- function() fit(case, data)
  if (case == "cbpp_refit") {
    # glmmTMB's refit evaluates the call again and needs it spelled out
    first <- if (engine == "glmer") run() else glmmTMB(herds, data, binomial())
    again <- with(data, cbind(again, size - again))
    run <- function() refit(first, again)
  }
  function() list(llf = as.numeric(logLik(run())))
}

# Bytes of resident memory now and at its peak since the last reset (Linux; else zero).
memory <- function(key) {
  if (!file.exists("/proc/self/status")) return(0)
  line <- grep(paste0("^", key, ":"), readLines("/proc/self/status"), value = TRUE)
  1024 * as.numeric(gsub("[^0-9]", "", line))
}

invisible(fit("cbpp", load_case("cbpp")))
data <- load_case(case)
run <- suppressMessages(suppressWarnings(prepare(case, data)))
invisible(gc())
try(cat("5", file = "/proc/self/clear_refs"), silent = TRUE)
before <- memory("VmRSS")
wall <- cpu <- numeric(repeats)
for (i in seq_len(repeats)) {
  clock <- system.time(result <- suppressMessages(suppressWarnings(run())), gcFirst = FALSE)
  wall[i] <- clock[["elapsed"]]
  cpu[i] <- sum(clock[c("user.self", "sys.self", "user.child", "sys.child")])
}
share <- if (is.null(result$timed)) 1 else result$timed / result$refits
record <- c(result, wall = median(wall) / share, cpu = median(cpu) / share,
            memory = max(memory("VmHWM") - before, 0), data = as.numeric(object.size(data)),
            version = as.character(packageVersion(package)))
cat(jsonlite::toJSON(record, auto_unbox = TRUE, digits = I(15)), "\n")
