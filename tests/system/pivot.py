"""Makes the current directory, a mount point, the root of this mount namespace and runs a command there.

pivot_root(8) alone would do, but not in a chroot: there the namespace's root stays the one outside, and the kernel
gives no user namespace (PrivateUsers=) to a process whose root is not the root of its mount namespace,
user_namespaces(7).  setns(2) into one's own mount namespace leaves a chroot.
"""
import ctypes
import os
import platform
import sys

CLONE_NEWNS, MNT_DETACH, MS_REC, MS_PRIVATE = 0x00020000, 2, 1 << 14, 1 << 18
SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}[platform.machine()]
libc = ctypes.CDLL(None, use_errno=True)


def check(result: int, what: str) -> None:
    if result != 0:
        error = ctypes.get_errno()
        sys.exit(f"{what}: {os.strerror(error)}")


def main(command: list[str]) -> None:
    root = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    namespace = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    check(libc.setns(namespace, CLONE_NEWNS), "setns")
    check(libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "mount --make-rprivate")
    os.fchdir(root)
    check(libc.syscall(SYS_PIVOT_ROOT, b".", b"."), "pivot_root")  # the old root lies on the new one, pivot_root(2)
    check(libc.umount2(b".", MNT_DETACH), "umount")
    os.chdir("/")
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
