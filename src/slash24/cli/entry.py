"""Where the command `slash24` begins."""

import sys


def main() -> int:
    """Run the command line; an interrupt while it is still being loaded ends it as one later does."""
    try:
        from slash24.cli.main import main as run
    except KeyboardInterrupt:
        sys.stderr.write("error: interrupted\n")
        return 130
    return run()
