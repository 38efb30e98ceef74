#!/usr/bin/env python3
"""Run Stepwell from a checkout: ``./manage.py up`` is ``stepwell up``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "apps"))

if __name__ == "__main__":
    from stepwell.conf.cli import main

    sys.exit(main())
