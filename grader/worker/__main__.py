"""Starts a worker: `python -I grader/worker TRACE [PRELOAD ...]`.

It takes requests on stdin and answers on stdout. TRACE is a file for the tracebacks of crashes and
timeouts; what to load before the first request follows, see `preload`. Without arguments, this
starts the fork server, see `fork_server`.

The package gets a name of its own, so that no student module can collide with it.
"""

import importlib.util
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def main() -> None:
    """Import this folder as the package `_worker` and serve until stdin is closed."""
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != HERE]
    spec = importlib.util.spec_from_file_location(
        "_worker", os.path.join(HERE, "__init__.py"), submodule_search_locations=[HERE]
    )
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules["_worker"] = package
    spec.loader.exec_module(package)
    if sys.argv[1:]:
        file, *names = sys.argv[1:]
        del sys.argv[1:]
        trace = open(file, "ab")  # noqa: SIM115 - open as long as the process lives
        for name in names:
            importlib.import_module("_worker.preload").load(name)
        importlib.import_module("_worker.serve").main(trace)
    else:
        importlib.import_module("_worker.fork_server").main()


if __name__ == "__main__":
    main()
