#include "engine/art/scan.h"

#include <algorithm>

#include "engine/base/limits.h"

namespace holt::art {

namespace {

// More than any blob holds: garbage can make a walk go round in circles.
constexpr std::size_t kMaxNodes = kBlobBytes / kNodeUnit;
constexpr std::size_t kMaxLevels = kBlobBytes / sizeof(DiskNode4);
// Moves can make keys longer than kMaxKeyBytes, but not by this much.
constexpr std::size_t kMaxPath = std::size_t{1} << 24;

class Walker {
 public:
  Walker(View blob, std::string_view path, const ScanBound& bound, const ScanFilter& filter,
         std::size_t limit, ScanBuffer& out)
      : blob_(blob), path_(path), bound_(bound), filter_(filter), limit_(limit), out_(out) {}

  WalkResult run(unsigned char last_byte) {
    const Ref root = blob_.root();
    const NodeHead head = blob_.head(root);
    if (!is_inner(head.kind())) {
      stop(WalkEnd::kGarbage);
      return std::move(result_);
    }
    if (head.terminal() != 0) leaf(head.terminal());
    if (going()) children(root, head, last_byte);
    return std::move(result_);
  }

 private:
  bool going() const { return result_.end == WalkEnd::kExhausted; }
  void stop(WalkEnd end) { result_.end = end; }

  // How everything below path_ stands to the bound.
  enum class Side { kBefore, kAcross, kInside };
  Side side() const {
    const std::size_t common = std::min(path_.size(), bound_.key.size());
    const int order = std::string_view(path_).substr(0, common).compare(
        std::string_view(bound_.key).substr(0, common));
    if (order != 0) return order < 0 ? Side::kBefore : Side::kInside;
    if (path_.size() < bound_.key.size()) return Side::kAcross;
    if (bound_.mode == ScanBound::Mode::kAfterPrefix) return Side::kBefore;
    if (bound_.mode == ScanBound::Mode::kFrom) return Side::kInside;
    return path_.size() == bound_.key.size() ? Side::kAcross : Side::kInside;
  }

  // Whether a key is still to be given. Ends the walk at the first key behind the prefix.
  bool admits(std::string_view key) {
    const int order = key.compare(bound_.key);
    if (order < 0) return false;
    if (bound_.mode == ScanBound::Mode::kAfter && order == 0) return false;
    if (bound_.mode == ScanBound::Mode::kAfterPrefix && key.starts_with(bound_.key)) return false;
    if (key.starts_with(filter_.prefix)) return true;
    if (key > filter_.prefix) stop(WalkEnd::kPastEnd);
    return false;
  }

  // False when all below path_ lies behind the prefix, which ends the walk.
  bool in_reach() {
    const std::size_t common = std::min(path_.size(), filter_.prefix.size());
    if (std::string_view(path_).substr(0, common) <=
        std::string_view(filter_.prefix).substr(0, common)) {
      return true;
    }
    stop(WalkEnd::kPastEnd);
    return false;
  }

  // Bytes up to and including the first delimiter behind the prefix; 0 when there is none.
  std::size_t roll_size(std::string_view key) const {
    if (!filter_.delimiter || key.size() <= filter_.prefix.size()) return 0;
    const std::size_t at = key.find(*filter_.delimiter, filter_.prefix.size());
    return at == std::string_view::npos ? 0 : at + 1;
  }

  // Gives one rolled-up entry for everything below path_, if a delimiter is in it.
  bool roll_up() {
    const std::size_t size = roll_size(path_);
    if (size == 0) return false;
    const std::string_view key = std::string_view(path_).substr(0, size);
    if (admits(key)) emit(key, 0, NodeHead{}, true);
    return true;
  }

  void emit(std::string_view key, Ref leaf, NodeHead head, bool rolled_up) {
    const std::size_t value = rolled_up || !filter_.values ? 0 : head.value_size();
    const std::size_t at = out_.bytes.size();
    out_.bytes.resize(at + key.size() + value);
    std::copy(key.begin(), key.end(), out_.bytes.begin() + static_cast<std::ptrdiff_t>(at));
    if (value > 0) {
      copy_out(out_.bytes.data() + at + key.size(), blob_.leaf_value(leaf, head), value);
    }
    out_.entries.push_back({static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(key.size()),
                            static_cast<std::uint32_t>(value), rolled_up});
    if (out_.entries.size() >= limit_ || out_.bytes.size() >= kScanBytes) stop(WalkEnd::kFull);
  }

  void leaf(Ref ref) {
    const NodeHead head = blob_.head(ref);
    const std::size_t size = head.part_size();
    if (head.kind() != NodeKind::kLeaf || path_.size() + size > kMaxPath ||
        head.value_size() > kMaxValueBytes) {
      return stop(WalkEnd::kGarbage);
    }
    const std::size_t depth = path_.size();
    path_.resize(depth + size);
    copy_out(path_.data() + depth, blob_.part(ref), size);
    if (!roll_up() && admits(path_)) emit(path_, ref, head, false);
    path_.resize(depth);
  }

  // Calls itself once per inner node on the way, through children(): a prefix costs no stack.
  void node(Ref ref) {
    const std::size_t depth = path_.size();
    NodeHead head = blob_.head(ref);
    while (enters(head) && head.kind() == NodeKind::kPrefix) {
      const std::size_t size = path_.size();
      path_.resize(size + head.part_size());
      copy_out(path_.data() + size, blob_.part(ref), head.part_size());
      ref = head.prefix_child();
      head = blob_.head(ref);
    }
    if (head.kind() == NodeKind::kLeaf) {
      leaf(ref);
    } else if (enters_) {
      if (head.terminal() != 0) leaf(head.terminal());
      if (going()) children(ref, head, 255);
    }
    path_.resize(depth);
  }

  // Whether the walk goes below a prefix or inner node that stands at path_.
  bool enters(NodeHead head) {
    enters_ = false;
    if (head.kind() == NodeKind::kLeaf) return false;
    if (++nodes_ > kMaxNodes || levels_ > kMaxLevels || path_.size() > kMaxPath ||
        (head.kind() != NodeKind::kPrefix && !is_inner(head.kind()))) {
      stop(WalkEnd::kGarbage);
      return false;
    }
    enters_ = in_reach() && !roll_up() && side() != Side::kBefore;
    return enters_;
  }

  void children(Ref ref, NodeHead head, unsigned char last_byte) {
    unsigned first = 0;
    if (side() == Side::kAcross && path_.size() < bound_.key.size()) {
      first = static_cast<unsigned char>(bound_.key[path_.size()]);
    }
    Ref edge = 0;  // an edge met, whose run of entries may go on
    ++levels_;
    blob_.each_child(ref, head, first, [&](unsigned char byte, Ref child) {
      if (byte > last_byte) return false;
      if (edge != 0) {
        if (child == edge) result_.last_byte = byte;
        return child == edge;
      }
      path_.push_back(static_cast<char>(byte));
      if (blob_.head(child).kind() == NodeKind::kBlobEdge) {
        if (in_reach() && side() != Side::kBefore) edge = meet_edge(child, byte);
      } else {
        node(child);
      }
      path_.pop_back();
      return going();
    });
    --levels_;
    if (edge != 0) stop(WalkEnd::kEdge);
  }

  Ref meet_edge(Ref edge, unsigned char byte) {
    result_.child = blob_.head(edge).blob();
    result_.path = path_;
    result_.last_byte = byte;
    return edge;
  }

  View blob_;
  std::string path_;
  const ScanBound& bound_;
  const ScanFilter& filter_;
  std::size_t limit_;
  ScanBuffer& out_;
  WalkResult result_;
  bool enters_ = false;  // what enters() said last
  std::size_t nodes_ = 0;
  std::size_t levels_ = 0;
};

}  // namespace

WalkResult walk(View blob, std::string_view path, unsigned char last_byte, const ScanBound& bound,
                const ScanFilter& filter, std::size_t limit, ScanBuffer& out) {
  return Walker(blob, path, bound, filter, limit, out).run(last_byte);
}

}  // namespace holt::art
