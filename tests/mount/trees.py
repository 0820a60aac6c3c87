"""Trees for tests: one with files of every type, and what two trees differ in."""

import os
import socket
import stat


def make_tree(root):
    """Below the folder `root`: every type of file, links, xattrs, ACLs, owners, holes, times."""
    def path(*names):
        return os.path.join(root, *names)

    for folder in ("d", "d/e", "d/e/f", "empty", "sticky"):
        os.mkdir(path(folder))
    os.chmod(path("sticky"), 0o1777)
    for i in range(30):
        with open(path("d", f"file-{i}"), "wb") as file:
            file.write(b"%d " % i * i * 97)
        os.chown(path("d", f"file-{i}"), 1000 + i, 2000 + i)
        os.chmod(path("d", f"file-{i}"), (0o644, 0o600, 0o4755, 0o2755, 0o000)[i % 5])
    with open(path("holes"), "wb") as file:
        file.truncate(1 << 20)
        os.pwrite(file.fileno(), b"data", 300_000)
    os.link(path("d", "file-3"), path("d/e", "linked"))
    os.link(path("d", "file-3"), path("linked too"))
    os.symlink("file-1", path("d", "relative"))
    os.symlink("/nowhere/" + "x" * 2000, path("dangling"))
    os.mkfifo(path("fifo"), 0o640)
    os.mknod(path("character device"), stat.S_IFCHR | 0o600, os.makedev(1, 3))
    os.mknod(path("block device"), stat.S_IFBLK | 0o660, os.makedev(7, 200))
    here = os.getcwd()
    os.chdir(root)  # a socket's address is short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
    os.chdir(here)
    os.setxattr(path("d", "file-7"), "user.some", bytes(range(256)))
    os.setxattr(path("d"), "user.folder", b"")
    os.setxattr(path("d", "file-8"), "trusted.t", b"v" * 1000)
    # Owner rwx, user 1234 rw-, group r--, mask rw-, others nothing; by default for the folder, too.
    acl = (b"\x02\0\0\0" + entry(1, 7) + entry(2, 6, 1234) + entry(4, 4) + entry(16, 6)
           + entry(32, 0))
    os.setxattr(path("d", "file-5"), "system.posix_acl_access", acl)
    os.setxattr(path("d", "e"), "system.posix_acl_default", acl)
    os.mkdir(path("d", "e", "inherits"))
    for name in ("n" * 255, "späße", "new\nline", " ", "-rf"):
        with open(path("empty", name), "xb"):
            pass
    os.utime(path("d", "file-2"), ns=(10**9 + 1, 10**18 + 123456789))
    os.utime(path("dangling"), ns=(1, 2), follow_symlinks=False)
    os.utime(path("d"), ns=(10**17, 10**17 + 7))


def entry(tag, rights, who=0xFFFFFFFF):
    return b"".join(n.to_bytes(size, "little") for n, size in ((tag, 2), (rights, 2), (who, 4)))


def describe(root, times=True):
    """What there is below the folder, by path, but for inode numbers and sizes of folders."""
    found, names_of = {}, {}
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.join(folder, name)
            relative = os.path.relpath(path, root)
            st = os.lstat(path)
            kind = stat.S_IFMT(st.st_mode)
            what = [oct(st.st_mode), st.st_uid, st.st_gid]
            if kind in (stat.S_IFCHR, stat.S_IFBLK):
                what.append(st.st_rdev)
            if kind == stat.S_IFLNK:
                what.append(os.readlink(path))
            if kind == stat.S_IFREG:
                with open(path, "rb") as file:
                    what.append(file.read())
            if kind != stat.S_IFDIR:
                names_of.setdefault(st.st_ino, []).append(relative)
                what.append(st.st_nlink)
            if times:
                what.append(st.st_mtime_ns)
            what.append({name: os.getxattr(path, name, follow_symlinks=False)
                         for name in sorted(os.listxattr(path, follow_symlinks=False))
                         if not name.startswith("trusted.overlay.")})
            found[relative] = what
    for names in names_of.values():
        for name in names:
            found[name].append(sorted(names))
    return found


def difference(first, second, times=True):
    """Says where two trees differ, a line each; empty when they do not."""
    a, b = describe(first, times), describe(second, times)
    lines = []
    for path in sorted(a.keys() | b.keys()):
        if a.get(path) != b.get(path):
            lines.append(f"{path}: {str(a.get(path))[:300]} and {str(b.get(path))[:300]}")
    return "\n".join(lines)
