"""The vocabulary that every room shares: names, buckets, PromQL quoting, the prediction log, the serving snapshot."""
