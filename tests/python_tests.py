"""Runs one Python test file and writes its counts as JSON: python_tests.py FILE RESULTS."""

import json
import pathlib
import sys
import unittest


class CountingResult(unittest.TextTestResult):
    """A test counts once, however many of its subtests fail."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.passed = 0

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1


def main(path: pathlib.Path, results: pathlib.Path) -> int:
    sys.path.insert(0, str(path.parent.parent.parent))
    suite = unittest.defaultTestLoader.discover(str(path.parent), pattern=path.name)
    runner = unittest.TextTestRunner(verbosity=2, resultclass=CountingResult)
    result = runner.run(suite)
    failures = sorted({name(test) for test, _ in result.failures + result.errors}
                      | {name(test) for test in result.unexpectedSuccesses})
    results.write_text(json.dumps({
        "passed": result.passed,
        "failed": len(failures),
        "skipped": len(result.skipped),
        "failures": failures,
        "skips": [f"{name(test)}: {reason}" for test, reason in result.skipped],
    }))
    return 1 if failures else 0


def name(test) -> str:
    return getattr(test, "test_case", test).id()  # a failing subtest is its test


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])))
