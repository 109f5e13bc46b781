"""Pure statistics and scans over Parquet: no Django, nothing of ours. Usable by itself through `python -m drift`."""
