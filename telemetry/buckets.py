"""Histogram buckets. One set per metric for every model and version: sums over versions need equal bounds."""

# Seconds. The guide's eleven; they hold 0.35, the default latency limit.
LATENCY_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 2.0, 5.0)

# Scores of a probability, 0.0 to 1.0 by 0.1.
SCORE = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)

# Rows in one predict_batch request.
BATCH_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

# Absolute difference between a shadow's score and the answer given.
SCORE_DIFFERENCE = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
