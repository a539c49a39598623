"""The `lorabus` command. An expected fault is one message on stderr and an exit code, never a traceback."""

import sys

from lorabus.cli.app import app
from lorabus.faults import DONE, INTERRUPTED, exit_code
from services.common.errors import LorabusError


def main() -> int:
    """Run the command; gives its exit code."""
    try:
        app()
    except LorabusError as error:
        print(f"lorabus: {error}", file=sys.stderr)
        return exit_code(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    return DONE


if __name__ == "__main__":
    sys.exit(main())
