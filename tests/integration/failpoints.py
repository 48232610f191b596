"""Makes a daemon fail at a named place: base/failpoint.hpp says what happens there."""
import json
import pathlib
import tempfile

from tests.integration.harness import BUILD, wait_until


def compiled_in():
    options = json.loads((BUILD / "meson-info" / "intro-buildoptions.json").read_text())
    return any(option["name"] == "failpoints" and option["value"] for option in options)


class Failpoints:
    """`environment` arms nothing yet: it says to the daemon where to look.  Gone with the test."""

    def __init__(self, test):
        if not compiled_in():
            test.skipTest("needs a build with -Dfailpoints=true")
        self.directory = pathlib.Path(test.enterContext(tempfile.TemporaryDirectory(prefix="belay-failpoints-")))
        self.environment = {"BELAY_FAILPOINTS": str(self.directory)}

    def arm(self, point, action):
        (self.directory / f"{point}.reached").unlink(missing_ok=True)
        new = self.directory / "new"
        new.write_text(action)
        new.rename(self.directory / point)

    def reached(self, point):
        return (self.directory / f"{point}.reached").exists()

    def wait_reached(self, point):
        wait_until(lambda: self.reached(point), f"{point} to be reached")

    def release(self, point):
        """Lets what is wedged there go on."""
        (self.directory / f"{point}.reached").unlink()
