"""``python -m spantap``: the command, of exactly this Python."""

import sys

from spantap.cli.main import main

sys.exit(main())
