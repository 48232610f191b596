"""Executables that are other builds of belayd: the same code with another build-id, so that no compiler has to run."""
import os
import pathlib
import subprocess

from tests.integration.harness import BUILD

# A note of elf(5): sizes of name and description, type NT_GNU_BUILD_ID, name.
BUILD_ID_NOTE = b"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0"


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

    def put_file(self, source):
        self._put(pathlib.Path(source).read_bytes())

    def _put(self, content):
        new = self.path.with_suffix(".new")
        new.write_bytes(content)
        new.chmod(0o755)
        new.rename(self.path)
