#include "bench/md/phases.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace holt::bench::md {
namespace {

// A wrong answer ends the run: figures of calls that failed would say nothing.
void must(bool holds, std::string_view call, const std::string& path) {
  if (holds) return;
  throw std::system_error(errno, std::generic_category(), fmt::format("{} of {}", call, path));
}

int must_open(const std::string& path, int flags) {
  const int fd = open(path.c_str(), flags | O_CLOEXEC, 0644);
  must(fd >= 0, "open", path);
  return fd;
}

void must_mkdir(const std::string& path) {
  must(mkdir(path.c_str(), 0755) == 0 || errno == EEXIST, "mkdir", path);
}

void must_write(int fd, std::string_view bytes, const std::string& path) {
  must(write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()), "write", path);
}

void make_own_directory(Worker& worker) { must_mkdir(worker.own_directory()); }

void make_shared_directory(Worker& worker) { must_mkdir(worker.shared_directory()); }

void open_own_directory(Worker& worker) {
  make_own_directory(worker);
  worker.directory_fd = must_open(worker.own_directory(), O_RDONLY | O_DIRECTORY);
}

void close_own_directory(Worker& worker) { close(worker.directory_fd); }

void make_directory(Worker& worker, std::size_t i) {
  const std::string path = worker.directory_name(i);
  must(mkdir(path.c_str(), 0755) == 0, "mkdir", path);
}

void rename_directory(Worker& worker, std::size_t i) {
  const std::string from = worker.directory_name(i);
  must(rename(from.c_str(), worker.renamed_directory_name(i).c_str()) == 0, "rename", from);
}

void remove_directory(Worker& worker, std::size_t i) {
  const std::string path = worker.renamed_directory_name(i);
  must(rmdir(path.c_str()) == 0, "rmdir", path);
}

void stat_file(Worker& worker, std::size_t i) {
  const std::string path = worker.file_name(i);
  struct stat st = {};
  must(stat(path.c_str(), &st) == 0 && S_ISREG(st.st_mode), "stat", path);
}

void create_empty(const std::string& path) { close(must_open(path, O_WRONLY | O_CREAT | O_EXCL)); }

void create_file(Worker& worker, std::size_t i) { create_empty(worker.file_name(i)); }

void create_shared(Worker& worker, std::size_t i) { create_empty(worker.shared_file_name(i)); }

void open_read_close(Worker& worker, std::size_t i) {
  const std::string path = worker.file_name(i);
  const int fd = must_open(path, O_RDONLY);
  char byte = 0;
  must(read(fd, &byte, 1) >= 0, "read", path);
  close(fd);
}

void unlink_file(Worker& worker, std::size_t i) {
  const std::string path = worker.file_name(i);
  must(unlink(path.c_str()) == 0, "unlink", path);
}

void unlink_shared(Worker& worker, std::size_t i) {
  const std::string path = worker.shared_file_name(i);
  must(unlink(path.c_str()) == 0, "unlink", path);
}

void write_file(Worker& worker, std::size_t i) {
  const std::string path = worker.file_name(i);
  const int fd = must_open(path, O_WRONLY | O_CREAT | O_EXCL);
  must_write(fd, worker.buffer, path);
  must(close(fd) == 0, "close", path);
}

void read_file(Worker& worker, std::size_t i) {
  const std::string path = worker.file_name(i);
  const int fd = must_open(path, O_RDONLY);
  must(read(fd, worker.buffer.data(), worker.buffer.size()) == std::ssize(worker.buffer), "read",
       path);
  close(fd);
}

void write_synced(Worker& worker, std::size_t i) {
  const std::string path = worker.file_name(i);
  const int fd = must_open(path, O_WRONLY | O_CREAT | O_EXCL);
  must_write(fd, worker.buffer, path);
  must(fsync(fd) == 0, "fsync", path);
  must(close(fd) == 0, "close", path);
}

void rename_synced(Worker& worker, std::size_t i) {
  const std::string from = worker.file_name(i);
  must(rename(from.c_str(), worker.renamed_file_name(i).c_str()) == 0, "rename", from);
  must(fsync(worker.directory_fd) == 0, "fsync", worker.own_directory());
}

void fill_shared_directory(Worker& worker) {
  make_shared_directory(worker);
  if (worker.rank != 0) return;
  for (std::size_t i = 0; i < worker.plan.count; ++i) {
    create_empty(worker.shared_file_name(i) + ".old");
  }
}

void empty_shared_directory(Worker& worker) {
  if (worker.rank != 0) return;
  for (std::size_t i = 0; i < worker.plan.count; ++i) {
    unlink((worker.shared_file_name(i) + ".old").c_str());
  }
}

void create_and_unlink_shared(Worker& worker, std::size_t i) {
  create_shared(worker, i);
  unlink_shared(worker, i);
}

// What was there before must be seen, whatever else comes and goes.
void scan_shared(Worker& worker) {
  const std::string path = worker.shared_directory();
  DIR* const directory = opendir(path.c_str());
  must(directory != nullptr, "opendir", path);
  std::size_t old = 0;
  while (const dirent* const entry = readdir(directory)) {
    if (std::string_view(entry->d_name).ends_with(".old")) ++old;
  }
  closedir(directory);
  errno = EIO;
  must(old == worker.plan.count, "a complete scan", path);
}

constexpr Phase kPhases[] = {
    {"mkdir", "make a directory", make_directory, make_own_directory},
    {"rename", "rename a directory", rename_directory},
    {"rmdir", "remove a renamed directory", remove_directory},
    {"create", "create an empty file", create_file, make_own_directory},
    {"stat", "stat a file", stat_file},
    {"open", "open, read a byte, close", open_read_close},
    {"unlink", "remove a file", unlink_file},
    {"write", "create, write --bytes, close", write_file, make_own_directory},
    {"read", "open, read --bytes, close", read_file},
    {"write_sync", "create, write --bytes, fsync, close", write_synced, make_own_directory},
    {"rename_sync", "rename a file, fsync the directory", rename_synced, open_own_directory,
     close_own_directory},
    {"shared_create", "all create in one directory", create_shared, make_shared_directory},
    {"shared_unlink", "all remove from one directory", unlink_shared},
    {"scanned", "create and unlink, while the other processes list the directory",
     create_and_unlink_shared, fill_shared_directory, empty_shared_directory, scan_shared},
};

}  // namespace

std::string Worker::own_directory() const {
  return fmt::format("{}/mdtest_tree.{}.0", plan.directory, rank);
}
std::string Worker::shared_directory() const { return plan.directory + "/mdtest_tree.0"; }
std::string Worker::directory_name(std::size_t i) const {
  return fmt::format("{}/dir.mdtest.{}.{}", own_directory(), rank, i);
}
std::string Worker::renamed_directory_name(std::size_t i) const {
  return directory_name(i) + "-XX";
}
std::string Worker::file_name(std::size_t i) const {
  return fmt::format("{}/file.mdtest.{}.{}", own_directory(), rank, i);
}
std::string Worker::renamed_file_name(std::size_t i) const { return file_name(i) + "-XX"; }
std::string Worker::shared_file_name(std::size_t i) const {
  return fmt::format("{}/file.mdtest.{}.{}", shared_directory(), rank, i);
}

std::span<const Phase> all_phases() { return kPhases; }

}  // namespace holt::bench::md
