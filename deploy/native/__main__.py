"""Fetch and build ahead what the local stack and the tests need: `python -m deploy.native [NAME...]`.

Without names: all that the tests use. What the cache has already takes no time.
"""

import argparse
import sys

from deploy.native import kafka, zipkin
from deploy.native.cache import cache_dir
from deploy.native.go_tools import BuildError, tool
from deploy.native.java import FetchError
from deploy.native.versions import GO_TOOLS

# The long builds are last: who watches sees that everything else works.
FOR_TESTS = ("kafka", "zipkin", "toxiproxy", "oci-conformance", "crane", "oras", "registry", "minio", "cosign")
JAVA_PROGRAMS = {"kafka": kafka.program, "zipkin": zipkin.program}


def main() -> int:
    """Bring each named part into the cache; 1 when one of them cannot be had."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.native", description=__doc__, epilog="Example: python -m deploy.native kafka minio"
    )
    known = (*JAVA_PROGRAMS, *GO_TOOLS)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}")
    names = parser.parse_args().names or FOR_TESTS
    if unknown := [name for name in names if name not in known]:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(known)}")
    try:
        for name in names:
            JAVA_PROGRAMS[name](_say) if name in JAVA_PROGRAMS else tool(name, _say)
    except (BuildError, FetchError) as error:
        _say(str(error))
        return 1
    _say(f"ready in {cache_dir()}: {', '.join(names)}")
    return 0


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
