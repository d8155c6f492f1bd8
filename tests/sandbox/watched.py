# Operations on files, each by name, and what came of them: "NAME ERRNO" a line (OK: it was done).
# argv: a directory, then names; each works on a file of its own name there, or on NAME.old.
import errno, os, stat, sys

def flags(*words):
    return lambda p: os.close(os.open(p, eval("|".join("os.O_" + w for w in words)), 0o644))

def by_descriptor(f):
    def call(p):
        directory = os.open(os.path.dirname(p), os.O_RDONLY)
        try: f(os.path.basename(p), directory)
        finally: os.close(directory)
    return call

def opened(how):
    import ctypes, struct
    libc = ctypes.CDLL(None, use_errno=True)
    def call(p):
        block = struct.pack("QQQ", how, 0o644 if how & os.O_CREAT else 0, 0)
        fd = libc.syscall(437, -100, p.encode(), block, len(block))
        if fd < 0: raise OSError(ctypes.get_errno(), "openat2")
        os.close(fd)
    return call

OPERATIONS = {
    "create": flags("WRONLY", "CREAT"), "fresh": flags("RDWR", "CREAT", "EXCL"),
    "write": flags("WRONLY"), "append": flags("RDWR", "APPEND"), "trunc": flags("RDONLY", "TRUNC"),
    "again": flags("WRONLY", "CREAT", "TRUNC"), "open2": opened(os.O_WRONLY),
    "make2": opened(os.O_WRONLY | os.O_CREAT), "truncate": lambda p: os.truncate(p, 1),
    "mkdir": os.mkdir, "fifo": os.mkfifo, "symlink": lambda p: os.symlink("x", p),
    "link": lambda p: os.link(p, p + ".new"), "rename": lambda p: os.rename(p, p + ".new"),
    "unlink": os.unlink, "rmdir": os.rmdir, "chmod": lambda p: os.chmod(p, 0o600),
    "chown": lambda p: os.chown(p, os.getuid(), -1), "utime": lambda p: os.utime(p, (1, 2)),
    "xattr": lambda p: os.setxattr(p, "user.x", b"y"),
    "openat": by_descriptor(lambda n, d: os.close(os.open(n, os.O_WRONLY | os.O_CREAT, dir_fd=d))),
    "mkdirat": by_descriptor(lambda n, d: os.mkdir(n, dir_fd=d)),
    "unlinkat": by_descriptor(lambda n, d: os.unlink(n, dir_fd=d)),
    "renameat": by_descriptor(lambda n, d: os.rename(n, n + ".new", src_dir_fd=d, dst_dir_fd=d)),
    # what fails, or changes nothing, without a sandbox too
    "read": flags("RDONLY"), "mkdir_there": lambda p: os.mkdir(p + ".there"),
    "unlink_missing": os.unlink, "rmdir_full": os.rmdir, "write_missing": flags("WRONLY"),
    "fresh_there": lambda p: flags("WRONLY", "CREAT", "EXCL")(p + ".there"),
    "open_directory": lambda p: flags("WRONLY")(os.path.dirname(p)),
    "unlink_directory": lambda p: os.unlink(p + ".there"), "asks": lambda p: os.access(p, os.W_OK),
    "rename_missing": lambda p: os.rename(p, p + ".new"), "loop": flags("WRONLY"),
}

def attempt(directory, name):
    try: OPERATIONS[name](os.path.join(directory, name))
    except OSError as e: return errno.errorcode[e.errno].replace("ENOTSUP", "EOPNOTSUPP")
    return "OK"

for name in sys.argv[2:]: print(name, attempt(sys.argv[1], name), flush=True)
