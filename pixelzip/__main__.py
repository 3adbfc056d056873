"""``python -m pixelzip``."""

from pixelzip.cli import main

if __name__ == "__main__":
    main()
