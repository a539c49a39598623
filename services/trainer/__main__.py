"""`python -m services.trainer`: what `lorabus serve trainer` starts."""

import sys

from services.trainer.app import main

if __name__ == "__main__":
    sys.exit(main())
