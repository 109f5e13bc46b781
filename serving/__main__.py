"""`python -m serving --snapshot S --port N`."""

import logging
import os
import sys

from serving import options, replica


def main() -> int:
    """Parse the command line and serve. Messages go to standard error; standard output is the request log's."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    return replica.run(options.parse(sys.argv[1:]))


if __name__ == "__main__":
    status = main()
    sys.stderr.flush()
    # Not sys.exit: it would wait for a prediction or a load that hangs. All that had to be written is written.
    os._exit(status)
