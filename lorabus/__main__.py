"""The `lorabus` command. An expected fault is one message on stderr and an exit code, never a traceback.

`lorabus validate FILE...` takes a path that never imports typer or pydantic: it runs in editors and hooks, where
half a second is long. Whatever that path does not understand goes to the whole command line.
"""

import io
import os
import sys

MOST_WORDS = 20_000


def main() -> int:
    """Run the command; gives its exit code."""
    if sys.stdout is None:  # Closed by who called us.
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - pathlib is slow to import; it stays open.
    elif isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal of another alphabet shows such letters as their codes.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = _run()
        sys.stdout.flush()
    except KeyboardInterrupt:
        # It may come during the imports below.
        return 130
    except OSError as error:
        # What is still unwritten must not be tried again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            print(
                f"lorabus: {error.strerror or error}{f': {error.filename}' if error.filename else ''}", file=sys.stderr
            )
        return 1
    return code


def _run() -> int:
    if sys.argv[1:2] == ["validate"]:
        from lorabus.cli.validate import validate_quickly  # noqa: PLC0415 - see above.

        code = validate_quickly(sys.argv[2:])
        if code is not None:
            return code
    return _whole_command_line()


def _whole_command_line() -> int:
    from lorabus.cli.app import app  # noqa: PLC0415 - see above.
    from lorabus.faults import DONE, exit_code  # noqa: PLC0415
    from lorabus.telling import printable  # noqa: PLC0415
    from services.common.errors import LorabusError  # noqa: PLC0415

    try:
        app()
    except LorabusError as error:
        # It may quote a registry, a file or an answer.
        print(f"lorabus: {printable(str(error), MOST_WORDS)}", file=sys.stderr)
        return exit_code(error)
    return DONE


if __name__ == "__main__":
    sys.exit(main())
