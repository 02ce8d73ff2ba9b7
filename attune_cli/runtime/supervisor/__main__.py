"""`python -I -S …/supervisor/__main__.py FOLDER NAME`: the supervisor as a process, wherever this package lies.

Started by its path and without `site`, so that neither the user's environment nor what is installed beside it
matters, and little memory is used.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[3]))
    from attune_cli.runtime.supervisor.process import main

    main(Path(sys.argv[1]), sys.argv[2])
