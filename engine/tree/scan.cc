// Scans across blobs.
#include "engine/art/scan.h"

#include <fmt/format.h>

#include "engine/tree/tree.h"

namespace holt {

namespace {

// Cuts the buffer back to what it held before a step that did not count.
struct Mark {
  std::size_t bytes, entries;
  explicit Mark(const art::ScanBuffer& buffer)
      : bytes(buffer.bytes.size()), entries(buffer.entries.size()) {}
  void restore(art::ScanBuffer& buffer) const {
    buffer.bytes.resize(bytes);
    buffer.entries.resize(entries);
  }
};

// The bound behind the last entry collected.
void move_behind_last(art::ScanBound& bound, const art::ScanBuffer& buffer) {
  const auto& last = buffer.entries.back();
  bound.key = buffer.key(last);
  bound.mode = last.rolled_up ? art::ScanBound::Mode::kAfterPrefix : art::ScanBound::Mode::kAfter;
}

}  // namespace

// Where a scan looks for its next entries; kept while a blob is loaded.
struct Tree::ScanSpot {
  std::uint64_t shape = 0;
  Hop hop;
  BlobId miss{};
  std::string path;  // bytes above the blob's root
  unsigned char last_byte = 255;
  bool latched = false;  // too many races were lost: latch what is read
};

// Collects the next entries from one blob; or only moves the bound, past a blob that has nothing
// more.
Tree::Step Tree::scan_step(art::ScanBound& bound, const art::ScanFilter& filter, std::size_t limit,
                           art::ScanBuffer& out, ScanSpot& spot, bool& done) {
  using Mode = art::ScanBound::Mode;
  const Mark mark(out);
  Hop& hop = spot.hop;
  Step step = begin_descent(hop, spot.miss, nullptr);
  if (hop.id == kRootBlob) spot.path.clear(), spot.last_byte = 255;  // it began anew
  for (;;) {
    if (step != Step::kOk) return step;
    Frame& frame = pool_.frame(hop.frame);
    if (spot.latched) {
      frame.latch.lock_shared();
      hop.version = frame.latch.version();
    }
    art::WalkResult walked{.end = art::WalkEnd::kGarbage, .path = {}};
    const bool held = frame.blob.load(std::memory_order_acquire) == index_of(hop.id);
    if (held) {
      walked = art::walk(view(hop.frame), spot.path, spot.last_byte, bound, filter, limit, out);
    }
    if (spot.latched) frame.latch.unlock_shared();
    const bool collected = out.entries.size() > mark.entries;
    const bool edge_only = walked.end == art::WalkEnd::kEdge && !collected;
    // What was read under the latch is right, whatever happened since; but the way on has to be.
    const bool stands = (spot.latched && held && !edge_only) || still(hop);
    const bool good = walked.end != art::WalkEnd::kGarbage && stands;
    if (!good && spot.latched && held && walked.end == art::WalkEnd::kGarbage) {
      mark.restore(out);
      return Step::kTooLong;
    }
    if (good && edge_only) {
      const auto depth = static_cast<std::uint32_t>(walked.path.size() - 1);
      step = follow_edge(walked.child, depth, hop, spot.miss, nullptr);
      if (step != Step::kOk) continue;
      spot.path = std::move(walked.path);
      spot.path.pop_back();
      spot.last_byte = walked.last_byte;
      continue;
    }
    if (!good || !same_shape(spot.shape)) {
      mark.restore(out);
      return Step::kRestart;
    }
    const bool exhausted = walked.end == art::WalkEnd::kExhausted;
    const bool at_root = hop.id == kRootBlob;
    done = walked.end == art::WalkEnd::kPastEnd || (exhausted && at_root);
    if (exhausted && !at_root) {
      // On behind all entries that lead to this blob.
      spot.path.push_back(static_cast<char>(spot.last_byte));
      bound = {std::move(spot.path), Mode::kAfterPrefix};
    } else if (collected) {
      move_behind_last(bound, out);
    }
    return Step::kOk;
  }
}

Result<bool> Tree::scan(art::ScanBound& bound, const art::ScanFilter& filter, std::size_t limit,
                        art::ScanBuffer& out, Wait wait) {
  bool done = false;
  int lost = 0;
  ScanSpot spot;
  spot.shape = begin_shape();
  while (!done && out.entries.size() < limit && out.bytes.size() < art::kScanBytes) {
    const Step step = scan_step(bound, filter, limit, out, spot, done);
    if (step == Step::kMiss) {
      if (wait == Wait::kNo) return fail(Code::kWouldBlock);
      if (auto loaded = load(spot.miss, false, spot.shape); !loaded) return pass(loaded);
      continue;
    }
    if (step == Step::kTooLong) {
      return fail(Code::kCorrupt,
                  fmt::format("a key in blob {} is too long to be given", index_of(spot.hop.id)));
    }
    if (step == Step::kRestart) counters.restarts.fetch_add(1, std::memory_order_relaxed);
    lost = step == Step::kRestart ? lost + 1 : 0;
    spot = {};
    spot.shape = begin_shape();
    spot.latched = lost > kPatience;
  }
  return done;
}

}  // namespace holt
