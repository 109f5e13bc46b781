"""The parts of a publish: its checks, the files and servers it changes, how it is verified, watched and undone."""
