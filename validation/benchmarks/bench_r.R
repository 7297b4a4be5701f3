# Time lme4::glmer and glmmTMB with their defaults.
#
# Shows the seconds of the fit call, formula and standard errors included (glmer's
# numerical Hessian, glmmTMB's sdreport); grouping factors are factors beforehand.
#
# Run: Rscript validation/benchmarks/bench_r.R ENGINE CASE DIRECTORY REPEATS; normally by run.py.
# Prints one line of JSON.

argument <- commandArgs(TRUE)
engine <- argument[1]
case <- argument[2]
directory <- argument[3]
repeats <- as.integer(argument[4])
package <- if (engine == "glmer") "lme4" else "glmmTMB"
suppressPackageStartupMessages(library(package, character.only = TRUE))

load_case <- function(case) {
  names <- jsonlite::fromJSON(file.path(directory, paste0(case, ".json")))
  file <- file.path(directory, paste0(case, ".bin"))
  values <- readBin(file, "double", file.size(file) / 8)
  data <- as.data.frame(matrix(values, ncol = length(names), dimnames = list(NULL, names)))
  for (name in intersect(c("g", "h", "herd", "period"), names)) data[[name]] <- factor(data[[name]])
  if ("size" %in% names) data$fail <- data$size - data$incidence
  data
}

formulas <- list(
  cbpp = cbind(incidence, fail) ~ period + (1 | herd),
  logistic = y ~ x1 + x2 + (1 | g),
  poisson = y ~ x1 + x2 + (x1 | g),
  crossed = y ~ x1 + x2 + (1 | g) + (1 | h)
)

fit <- function(case, data) {
  formula <- formulas[[sub("_.*", "", case)]]
  family <- if (grepl("^poisson", case)) poisson() else binomial()
  if (engine == "glmer") glmer(formula, data, family) else glmmTMB(formula, data, family)
}

# Bytes of resident memory now and at its peak since the last reset (Linux; else zero).
memory <- function(key) {
  if (!file.exists("/proc/self/status")) return(0)
  line <- grep(paste0("^", key, ":"), readLines("/proc/self/status"), value = TRUE)
  1024 * as.numeric(gsub("[^0-9]", "", line))
}

invisible(fit("cbpp", load_case("cbpp")))
data <- load_case(case)
run <- function() fit(case, data)
if (case == "cbpp_refit") {
  # glmmTMB's refit evaluates the call again and needs it spelled out at top level
  first <- if (engine == "glmer") run() else {
    glmmTMB(cbind(incidence, fail) ~ period + (1 | herd), data, binomial())
  }
  again <- with(data, cbind(again, size - again))
  run <- function() refit(first, again)
}

invisible(gc())
try(cat("5", file = "/proc/self/clear_refs"), silent = TRUE)
before <- memory("VmRSS")
wall <- cpu <- numeric(repeats)
for (i in seq_len(repeats)) {
  clock <- system.time(result <- suppressMessages(suppressWarnings(run())), gcFirst = FALSE)
  wall[i] <- clock[["elapsed"]]
  cpu[i] <- sum(clock[c("user.self", "sys.self", "user.child", "sys.child")])
}
record <- list(wall = median(wall), cpu = median(cpu), llf = as.numeric(logLik(result)),
               memory = max(memory("VmHWM") - before, 0), data = as.numeric(object.size(data)),
               version = as.character(packageVersion(package)))
cat(jsonlite::toJSON(record, auto_unbox = TRUE, digits = I(15)), "\n")
