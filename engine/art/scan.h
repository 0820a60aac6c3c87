// Walking the keys of one blob in order.
//
// Safe on a frame that is being changed, as find() is: what was collected counts only if the
// frame's version did not move.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/art/view.h"

namespace holt::art {

// Where a scan goes on.
struct ScanBound {
  enum class Mode : std::uint8_t {
    kFrom,        // keys >= key
    kAfter,       // keys > key
    kAfterPrefix  // keys greater than every key that begins with `key`
  };
  std::string key;
  Mode mode = Mode::kFrom;
};

// What a scan is to give.
struct ScanFilter {
  std::string prefix;
  std::optional<char> delimiter;
  bool values = true;
};

// Collected entries, keys and values one behind the other.
struct ScanBuffer {
  struct Entry {
    std::uint32_t key_at, key_size, value_size;  // the value follows the key
    bool rolled_up;
  };
  std::string bytes;
  std::vector<Entry> entries;

  void clear() { bytes.clear(), entries.clear(); }
  std::string_view key(const Entry& entry) const {
    return std::string_view(bytes).substr(entry.key_at, entry.key_size);
  }
  std::string_view value(const Entry& entry) const {
    return std::string_view(bytes).substr(entry.key_at + entry.key_size, entry.value_size);
  }
};

// A walk ends once it has collected so many bytes, however few entries they are.
inline constexpr std::size_t kScanBytes = std::size_t{1} << 20;

enum class WalkEnd : std::uint8_t {
  kExhausted,  // this blob has no more keys in the range it was asked for
  kFull,       // `limit` entries or kScanBytes collected
  kPastEnd,    // a key behind the prefix was met: the scan is done
  kEdge,       // the next keys are in another blob
  kGarbage     // the frame changed under the walk
};

struct WalkResult {
  WalkEnd end = WalkEnd::kExhausted;
  // kEdge: the child, the path of bytes to it with the first entry's byte last, and the last entry
  // of the run of neighbouring entries that lead to it.
  BlobId child{};
  std::string path;
  unsigned char last_byte = 0;
};

// Collects entries of the blob whose root stands below `path`, from `bound` on, only under root
// entries up to `last_byte`, until `limit` are in the buffer.
WalkResult walk(View blob, std::string_view path, unsigned char last_byte, const ScanBound& bound,
                const ScanFilter& filter, std::size_t limit, ScanBuffer& out);

}  // namespace holt::art
