"""`python -m services.publisher`: what `lorabus serve publisher` starts; with a job's id it publishes once more."""

import sys

from services.publisher.app import main, publish_again

if __name__ == "__main__":
    sys.exit(publish_again(sys.argv[1]) if sys.argv[1:] else main())
