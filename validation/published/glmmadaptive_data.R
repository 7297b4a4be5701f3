# Tables of the article "GLMMadaptive basics", drawn again by its recipe.
#
# One hundred subjects of eight visits: the first at time zero, the others uniform on 15 units of
# time; half of them female; binary responses with random intercepts and slopes, counts with random
# intercepts. Coefficients and variances are those that the article states, and the generator is
# R's default, seeded by 1234 before each table.
#
# Run:    Rscript validation/published/glmmadaptive_data.R
# Writes: validation/published/data/glmmadaptive_{binary,counts}.csv

here <- local({
  file <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
  if (length(file)) dirname(normalizePath(file)) else "validation/published"
})
subjects <- 100
visits <- 8

design <- function() {
  times <- replicate(subjects, c(0, sort(runif(visits - 1, 0, 15))))
  data.frame(id = rep(seq_len(subjects), each = visits), time = c(times),
             female = rep(c(0, 1), each = subjects * visits / 2))
}

predictor <- function(d, b0, b1, b2, b3) {
  b0 + b1 * d$female + b2 * d$time + b3 * d$female * d$time
}

write <- function(d, name) {
  d$time <- formatC(d$time, digits = 17, format = "g")
  write.csv(d, file.path(here, "data", paste0("glmmadaptive_", name, ".csv")), row.names = FALSE,
            quote = FALSE)
}

set.seed(1234)
binary <- design()
intercepts <- rnorm(subjects, sd = sqrt(0.48))
slopes <- rnorm(subjects, sd = sqrt(0.1))
eta <- predictor(binary, -2.13, -0.25, 0.24, -0.05) + intercepts[binary$id] +
  slopes[binary$id] * binary$time
binary$y <- rbinom(subjects * visits, 1, plogis(eta))
write(binary, "binary")

set.seed(1234)
counts <- design()
intercepts <- rnorm(subjects, sd = sqrt(0.48))
counts$y <- rpois(subjects * visits, exp(predictor(counts, 2.13, -0.25, 0.24, -0.05) +
                                           intercepts[counts$id]))
write(counts, "counts")
