// Scans across blobs.
#include "engine/art/scan.h"

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

// Collects the next entries from one blob, descending from the root; or only moves the bound, past a blob
// that has nothing more.
Tree::Step Tree::scan_step(art::ScanBound& bound, const art::ScanFilter& filter, std::size_t limit,
                           art::ScanBuffer& out, std::uint64_t shape, bool latched,
                           bool& done, Hop& hop) {
  using Mode = art::ScanBound::Mode;
  const Mark mark(out);
  std::string path;
  unsigned char last_byte = 255;
  Step step = enter(kRootBlob, 0, hop);
  for (;;) {
    if (step != Step::kOk) return step;
    Frame& frame = pool_.frame(hop.frame);
    if (latched) {
      frame.latch.lock_shared();
      hop.version = frame.latch.version();
    }
    art::WalkResult walked{.end = art::WalkEnd::kGarbage, .path = {}};
    if (frame.blob.load(std::memory_order_acquire) == index_of(hop.id)) {
      walked = art::walk(view(hop.frame), path, last_byte, bound, filter, limit, out);
    }
    if (latched) frame.latch.unlock_shared();
    if (walked.end == art::WalkEnd::kGarbage || !still(hop)) {
      mark.restore(out);
      return Step::kRestart;
    }
    const bool collected = out.entries.size() > mark.entries;
    if (walked.end != art::WalkEnd::kEdge || collected) {
      if (!same_shape(shape)) {
        mark.restore(out);
        return Step::kRestart;
      }
      const bool exhausted = walked.end == art::WalkEnd::kExhausted;
      const bool at_root = hop.id == kRootBlob;
      done = walked.end == art::WalkEnd::kPastEnd || (exhausted && at_root);
      if (exhausted && !at_root) {
        // On behind all entries that lead to this blob.
        path.push_back(static_cast<char>(last_byte));
        bound = {std::move(path), Mode::kAfterPrefix};
      } else if (collected) {
        move_behind_last(bound, out);
      }
      return Step::kOk;
    }
    Hop next;
    const auto depth = static_cast<std::uint32_t>(walked.path.size() - 1);
    step = enter(walked.child, depth, next);
    if (!still(hop)) return Step::kRestart;
    hop = next;
    path = std::move(walked.path);
    path.pop_back();
    last_byte = walked.last_byte;
  }
}

Result<bool> Tree::scan(art::ScanBound& bound, const art::ScanFilter& filter, std::size_t limit,
                        art::ScanBuffer& out, Wait wait) {
  bool done = false;
  int lost = 0;
  while (!done && out.entries.size() < limit) {
    Hop hop;
    const std::uint64_t shape = begin_shape();
    const Step step = scan_step(bound, filter, limit, out, shape, lost > kPatience, done, hop);
    lost = step == Step::kRestart ? lost + 1 : 0;
    if (step == Step::kMiss) {
      if (wait == Wait::kNo) return fail(Code::kWouldBlock);
      if (auto loaded = load(hop.id, false, shape); !loaded) return pass(loaded);
    } else if (step == Step::kRestart) {
      counters.restarts.fetch_add(1, std::memory_order_relaxed);
    }
  }
  return done;
}

}  // namespace holt
