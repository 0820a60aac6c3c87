// The log ring of a store's directory: segment files wal.N, mapped one behind the other, twice.
//
// Segments are filled with zeros in 4 KiB writes when they are made, so that the page cache holds
// them in single pages and no fdatasync has to allocate: with large folios, or with extents that
// are only reserved, an fdatasync costs more than twice as much.
//
// A page of a mapping that cannot be read raises SIGBUS; so opening reads every segment once, which
// reports such a disk as an error and spares the first lap a read per page.
//
// Thread safety: map() once, before the others; sync() from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/storage/posix_file.h"

namespace holt {

class PosixLog {
 public:
  // `directory` outlives this; `shown` is its path, for errors.
  PosixLog(int directory, std::string shown);
  ~PosixLog();
  PosixLog(const PosixLog&) = delete;
  PosixLog& operator=(const PosixLog&) = delete;

  enum class Access : std::uint8_t {
    kCreate,  // makes all segments anew, whatever is there
    kShared,
    kPrivate,  // what is written to the memory stays there, and the mirror does not see it
  };
  Result<std::byte*> map(std::uint64_t bytes, std::uint32_t segments, Access access);
  Result<void> sync(std::uint64_t from, std::uint64_t to);

 private:
  std::string shown(std::uint32_t segment) const;
  Result<void> create_segments(std::uint32_t segments);
  Result<void> open_segments(std::uint32_t segments, bool writable);
  Result<void> map_segments(bool shared);

  const int directory_;
  const std::string shown_;
  std::vector<UniqueFd> segments_;
  std::uint64_t segment_bytes_ = 0;
  std::byte* memory_ = nullptr;
  std::uint64_t mapped_bytes_ = 0;  // both copies
};

std::string log_segment_name(std::uint32_t segment);

}  // namespace holt
