"""The worked demo: will a flight leave more than 15 minutes late? Real flights of 2015, replayed as traffic."""
