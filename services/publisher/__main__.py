"""`python -m services.publisher`: what `lorabus serve publisher` starts."""

import sys

from services.publisher.app import main

if __name__ == "__main__":
    sys.exit(main())
