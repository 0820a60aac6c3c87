#include "engine/wal/replay.h"

#include <cstring>

#include "engine/base/checksum.h"
#include "engine/format.h"

namespace holt::wal {

Result<Lsn> replay(const std::byte* memory, std::uint64_t bytes, Lsn from, std::uint32_t generation,
                   const std::function<Result<void>(Lsn at, std::string_view payload)>& apply) {
  if (bytes == 0 || bytes % kRecordAlign != 0 || position_of(from) % kRecordAlign != 0) {
    return fail(Code::kCorrupt, "the log's replay position or size is not a multiple of 32 bytes");
  }
  Lsn at = from;
  // The ring holds at most one lap.
  while (at - from < bytes) {
    const std::byte* const record = memory + position_of(at) % bytes;
    DiskRecordHeader header;
    std::memcpy(&header, record, sizeof header);
    if (header.seal != record_seal(position_of(at), generation)) break;
    if (header.lsn != position_of(at) || header.generation != generation) break;
    if (record_bytes(header.payload_size) > bytes - (at - from)) break;
    constexpr std::size_t kSummedFrom = offsetof(DiskRecordHeader, lsn);
    const std::size_t summed = sizeof header - kSummedFrom + header.payload_size;
    if (header.checksum != checksum({record + kSummedFrom, summed})) break;
    const char* const payload = reinterpret_cast<const char*>(record + sizeof header);
    if (auto applied = apply(at, {payload, header.payload_size}); !applied) return pass(applied);
    at = at + record_bytes(header.payload_size);
  }
  return at;
}

}  // namespace holt::wal
