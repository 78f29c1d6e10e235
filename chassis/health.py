"""``python -m chassis.health``: whether the process beside it, in the same container, is ready. Ends with 0 or 1."""

import sys
import urllib.error
import urllib.request

URL = "http://127.0.0.1:8080/ready"
"""Every process of an image answers there."""


def main(url: str = URL) -> int:
    """0 when ready; else 1 and one line that says what is missing."""
    try:
        with urllib.request.urlopen(url, timeout=3) as answer:  # noqa: S310 - our own address
            answer.read()
    except urllib.error.HTTPError as refusal:
        sys.stderr.write(f"{refusal.read(500).decode(errors='replace')}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"no answer: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
