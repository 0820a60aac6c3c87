// The null filesystem's tree: names and attributes in memory, nothing else.
//
// It does the least work with which the kernel gets right answers, so that what a benchmark
// measures on it is the kernel and the transport. A node's number is its address.
//
// Thread safety: any thread. A node lives while it has a name or the kernel refers to it.
#pragma once

#include <sys/stat.h>

#include <atomic>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace holtfs::null {

struct Node;

// A value or an errno.
template <class Value>
using Result = std::expected<Value, int>;

struct Directory {
  struct Entry {
    Node* node;
    std::uint64_t cookie;
  };
  using Names = std::map<std::string, Entry, std::less<>>;

  Names names;
  std::map<std::uint64_t, Names::iterator> by_cookie;  // in the order of their making
  std::uint64_t next_cookie = 3;                       // after those of "." and ".."
};

struct Node {
  std::atomic<std::uint64_t> references{0};  // names and the kernel's lookups
  std::mutex mutex;
  // Under the mutex:
  struct stat attr = {};
  std::string target;                    // of a symlink
  std::unique_ptr<Directory> directory;  // of a directory
  Node* parent = nullptr;                // of a directory, for ".."
};

// What a node is to be made as.
struct Making {
  mode_t mode;
  uid_t uid;
  gid_t gid;
  dev_t rdev = 0;
  std::string_view target = {};
};

Node& root();
Node& node_of(std::uint64_t number);
std::uint64_t number_of(const Node& node);
timespec now();

// These give a node with one lookup more and its attributes.
struct Found {
  Node* node;
  struct stat attr;
};
Result<Found> look_up(Node& parent, std::string_view name);
Result<Found> make(Node& parent, std::string_view name, const Making& making);
Result<Found> make_nameless(const Making& making);
Result<Found> link(Node& node, Node& parent, std::string_view name);

void forget(Node& node, std::uint64_t lookups);
// 0 or an errno.
int remove(Node& parent, std::string_view name, bool directory);
int rename(Node& parent, std::string_view name, Node& new_parent, std::string_view new_name,
           unsigned flags);

}  // namespace holtfs::null
