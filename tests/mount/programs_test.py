"""Goal: programs that people use find on holtfs what they expect of a filesystem, and lose nothing.

HOLTFS_PROGRAM_SECONDS is how long those run that run for a time, by default a few seconds.
"""

import filecmp
import os
import subprocess

import harness
import trees

SECONDS = os.environ.get("HOLTFS_PROGRAM_SECONDS", "3")
# Of other filesystems, or of what FUSE has not.
NOT_HERE = "binderfs,bind-mount,eventfd,procfs,fiemap,verity"

SHOP = "CREATE TABLE sales(seller INTEGER, number INTEGER, what TEXT);"


def run(*words, **options):
    """Output of a program that succeeds."""
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **options)
    if done.returncode != 0:
        raise AssertionError(f"{words} ended with {done.returncode}: {done.stdout[-3000:]}")
    return done.stdout


class Programs(harness.MountedTest):
    deadline_s = 1500

    def folder_for(self, name):
        path = self.path(name)
        os.mkdir(path)
        return path

    def host_tree(self):
        path = os.path.join(self.folder, "tree")
        os.mkdir(path)
        trees.make_tree(path)
        return path

    def git(self, *words, at):
        env = dict(os.environ, HOME=self.folder, GIT_CONFIG_NOSYSTEM="1")
        return run("git", "-c", "user.name=A", "-c", "user.email=a@b", "-C", at, *words, env=env)

    def test_git(self):
        origin = self.folder_for("origin")
        self.git("init", "-q", "-b", "main", at=origin)
        for branch in ("main", "one", "two"):
            if branch != "main":
                self.git("checkout", "-q", "-b", branch, "main", at=origin)
            for i in range(100):
                os.makedirs(os.path.join(origin, branch, str(i % 7)), exist_ok=True)
                with open(os.path.join(origin, branch, str(i % 7), str(i)), "w",
                          encoding="utf-8") as file:
                    file.write(f"{branch} {i}\n" * i)
            self.git("add", "-A", at=origin)
            self.git("commit", "-qm", branch, at=origin)
        self.git("merge", "-q", "-m", "both", "one", at=origin)
        self.git("clone", "-q", "--no-local", origin, self.path("clone"), at=origin)
        self.git("gc", "-q", "--aggressive", "--prune=now", at=origin)
        self.remount()
        for folder in (origin, self.path("clone")):
            self.git("fsck", "--strict", at=folder)
            self.assertEqual(self.git("status", "--porcelain", at=folder), "")
        self.assertEqual(self.git("rev-parse", "HEAD", at=origin),
                         self.git("rev-parse", "HEAD", at=self.path("clone")))

    def test_rsync_there_and_back(self):
        tree, back = self.host_tree(), os.path.join(self.folder, "back")
        sync = ("rsync", "-aHAX", "--modify-window=-1")  # times to the nanosecond
        run(*sync, tree + "/", self.path("there"))
        self.assertEqual(trees.difference(tree, self.path("there")), "")
        self.remount()
        run(*sync, self.path("there") + "/", back)
        self.assertEqual(trees.difference(tree, back), "")
        self.assertEqual(run(*sync, "-ic", "--delete", tree + "/", self.path("there")), "")

    def test_cp_and_tar(self):
        tree = self.host_tree()
        os.unlink(os.path.join(tree, "socket"))  # tar leaves them out
        run("cp", "-a", tree, self.path("copy"))
        self.assertEqual(trees.difference(tree, self.path("copy")), "")
        keep = ("--acls", "--xattrs", "--xattrs-include=*")
        run("tar", "-C", self.path("copy"), *keep, "-cf", self.path("tar"), ".")
        os.mkdir(self.path("unpacked"))
        run("tar", "-C", self.path("unpacked"), *keep, "-xpf", self.path("tar"))
        self.assertEqual(trees.difference(tree, self.path("unpacked")), "")

    def test_acl_programs(self):
        folder = self.folder_for("d")
        run("setfacl", "-m", "u:1234:rwx,g:4321:r-x,d:u:1234:rw-,d:o::---", folder)
        self.make("d", "f")
        self.assertIn("user:1234:rw-", run("getfacl", "-n", self.path("d", "f")))
        saved = run("getfacl", "-nR", "d", cwd=self.mnt)
        run("setfacl", "-bR", folder)
        self.assertNotIn("1234", run("getfacl", "-nR", "d", cwd=self.mnt))
        run("setfacl", "--restore=-", input=saved, cwd=self.mnt)
        self.assertEqual(run("getfacl", "-nR", "d", cwd=self.mnt), saved)

    def test_sqlite_with_several_writers(self):
        base, writers, rows = self.path("shop.db"), 4, 60
        self.assertEqual(run("sqlite3", base, "PRAGMA journal_mode=WAL;", SHOP), "wal\n")
        sellers = []
        for seller in range(writers):
            script = ".timeout 600000\n" + "".join(
                f"INSERT INTO sales VALUES({seller}, {i}, hex(randomblob(500)));\n"
                for i in range(rows))
            sellers.append(subprocess.Popen(["sqlite3", "-bail", base], stdin=subprocess.PIPE,
                                            text=True))
            sellers[-1].stdin.write(script)
            sellers[-1].stdin.close()
        for seller in sellers:
            self.assertEqual(seller.wait(), 0)
        self.remount()
        self.assertEqual(run("sqlite3", base, "PRAGMA integrity_check;"), "ok\n")
        count = run("sqlite3", base, "SELECT count(DISTINCT seller * 1000 + number) FROM sales;")
        self.assertEqual(count, f"{writers * rows}\n")

    def test_a_debian_package(self):
        root = self.folder_for("package")
        os.makedirs(os.path.join(root, "DEBIAN"))
        os.makedirs(os.path.join(root, "usr/share/some"))
        with open(os.path.join(root, "DEBIAN/control"), "w", encoding="utf-8") as file:
            file.write("Package: some\nVersion: 1\nArchitecture: all\nMaintainer: A <a@b>\n"
                       "Description: some files\n")
        for i in range(200):
            with open(os.path.join(root, "usr/share/some", str(i)), "wb") as file:
                file.write(os.urandom(i * 10))
        os.symlink("some", os.path.join(root, "usr/share/link"))
        run("dpkg-deb", "--build", root, self.path("some.deb"))
        run("dpkg-deb", "-x", self.path("some.deb"), self.path("out"))
        found = filecmp.dircmp(os.path.join(root, "usr/share/some"),
                               self.path("out", "usr/share/some"))
        self.assertEqual(len(found.same_files), 200)
        self.assertEqual(os.readlink(self.path("out", "usr/share/link")), "some")

    def test_a_build(self):
        source = self.folder_for("source")
        names = [f"part{i}" for i in range(8)]
        for name in names:
            with open(os.path.join(source, name + ".cc"), "w", encoding="utf-8") as file:
                file.write(f"int {name}() {{ return 1; }}\n")
        with open(os.path.join(source, "main.cc"), "w", encoding="utf-8") as file:
            file.write("".join(f"int {name}();\n" for name in names))
            file.write(f"int main() {{ return {' + '.join(n + '()' for n in names)} - 8; }}\n")
        with open(os.path.join(source, "meson.build"), "w", encoding="utf-8") as file:
            sources = ", ".join(f"'{name}.cc'" for name in names + ["main"])
            file.write(f"project('small', 'cpp')\ntest('it', executable('it', {sources}))\n")
        run("meson", "setup", self.path("build"), source)
        run("ninja", "-C", self.path("build"))
        run("meson", "test", "-C", self.path("build"), "--no-rebuild")
        self.assertIn("no work to do", run("ninja", "-C", self.path("build")))

    def test_stress_ng(self):
        folder = self.folder_for("stress")
        run("stress-ng", "--class", "filesystem", "--all", "1", "--exclude", NOT_HERE, "--verify",
            "--timeout", SECONDS, "--temp-path", folder, cwd=folder)

    def test_dbench(self):
        run("dbench", "-t", SECONDS, "-D", self.folder_for("dbench"), "4")

    def test_fs_mark(self):
        folder = self.folder_for("marks")
        run("fs_mark", "-d", folder, "-D", "8", "-n", "200", "-s", "5000", "-t", "4", "-S", "1",
            cwd=self.folder)

    def test_bonnie(self):
        run("bonnie++", "-qf", "-d", self.folder_for("bonnie"), "-s", "32", "-r", "16", "-n", "1",
            "-u", "0:0", env=dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin"))


if __name__ == "__main__":
    harness.main()
