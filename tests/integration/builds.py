"""Executables that are other builds of belayd: the same code with another build-id, so that no compiler has to run."""
import os
import pathlib
import subprocess

from tests.integration.harness import BUILD

# A note of elf(5): sizes of name and description, type NT_GNU_BUILD_ID, name.
BUILD_ID_NOTE = b"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0"

# Is asked about another hand-over than the one that the running belayd would make.
OF_ANOTHER_VERSION = """
#include <string.h>
#include <unistd.h>
int main(int argc, char** argv) {
    for (int i = 1; i < argc; ++i)
        if (strncmp(argv[i], "--can-resume=", 13) == 0)
            argv[i] = "--can-resume=999";
    return execv(BELAYD, argv);
}
"""


class Builds:
    """Puts one build after the other where belayd was started from, each by rename as a package manager does."""

    def __init__(self, directory):
        self.path = pathlib.Path(directory) / "belayd"
        stripped = self.path.with_suffix(".stripped")
        subprocess.run(["strip", "-o", stripped, BUILD / "belayd" / "belayd"], check=True)
        self.image = bytearray(stripped.read_bytes())
        stripped.unlink()
        self.build_id = self.image.index(BUILD_ID_NOTE) + len(BUILD_ID_NOTE)
        self.put_next()

    def put_next(self):
        """The next build.  Returns its build-id."""
        self.image[self.build_id:self.build_id + 20] = os.urandom(20)
        self._put(self.image)
        return bytes(self.image[self.build_id:self.build_id + 20]).hex()

    def put_of_another_version(self):
        """A belayd that reads another version of the hand-over than the one that runs writes."""
        program = self.path.with_suffix(".version")
        subprocess.run(["cc", "-x", "c", "-", "-Wl,--build-id", f'-DBELAYD="{BUILD}/belayd/belayd"', "-o", program],
                       input=OF_ANOTHER_VERSION, text=True, check=True)
        self.put_file(program)

    def put_file(self, source):
        self._put(pathlib.Path(source).read_bytes())

    def _put(self, content):
        new = self.path.with_suffix(".new")
        new.write_bytes(content)
        new.chmod(0o755)
        new.rename(self.path)
