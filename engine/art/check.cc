#include "engine/art/check.h"

#include <algorithm>
#include <bitset>
#include <memory>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/base/limits.h"

namespace holt::art {

namespace {

class Checker {
 public:
  Checker(View blob, BlobId id) : blob_(blob), id_(id), used_(blob.used()) {}

  Result<BlobCensus> run() {
    if (load<std::uint64_t>(blob_.base()) != kBlobMagic) return bad(0, "has no blob magic");
    if (blob_.id() != id_) return bad(0, fmt::format("says it is blob {}", index_of(blob_.id())));
    if (used_ < sizeof(DiskBlobHeader) || used_ > kBlobBytes || used_ % kNodeUnit != 0) {
      return bad(0, fmt::format("has an impossible size of {} bytes", used_));
    }
    if (blob_.dead() > used_ - sizeof(DiskBlobHeader)) return bad(0, "counts too many dead bytes");
    const Ref root = blob_.root();
    if (auto fits = inside(root); !fits) return pass(fits);
    if (!is_inner(blob_.head(root).kind())) return bad(root, "has a root that is no inner node");
    todo_.push_back(root);
    while (!todo_.empty()) {
      const Ref ref = todo_.back();
      todo_.pop_back();
      if (auto checked = node(ref); !checked) return pass(checked);
    }
    if (census_.live_bytes + sizeof(DiskBlobHeader) + blob_.dead() != used_) {
      return bad(0, fmt::format("holds {} live and {} dead bytes, but {} are in use",
                                census_.live_bytes, blob_.dead(), used_));
    }
    return std::move(census_);
  }

 private:
  std::unexpected<Error> bad(Ref ref, std::string_view what) const {
    return fail(Code::kCorrupt, fmt::format("blob {} {} (offset {})", index_of(id_), what,
                                            std::size_t{ref} * kNodeUnit));
  }

  // The node's head and its whole body lie between header and `used`, and it is of a known kind.
  Result<void> inside(Ref ref) const {
    const std::size_t at = std::size_t{ref} * kNodeUnit;
    if (at < sizeof(DiskBlobHeader) || at >= used_) return bad(ref, "refers outside its nodes");
    const NodeHead head = blob_.head(ref);
    if (head.kind() == NodeKind::kFree || head.kind() > NodeKind::kBlobEdge) {
      return bad(ref, "has a node of unknown kind");
    }
    if (head.kind() == NodeKind::kLeaf && (head.word >> 32) > kMaxValueBytes) {
      return bad(ref, "has a value beyond the limit");
    }
    if (at + blob_.size_of(head) > used_) return bad(ref, "has a node that runs past its end");
    return {};
  }

  Result<void> visit(Ref ref) {
    const std::size_t size = blob_.size_of(blob_.head(ref));
    for (std::size_t unit = ref; unit < ref + size / kNodeUnit; ++unit) {
      if (taken_->test(unit)) return bad(ref, "reaches a node twice, or two that overlap");
      taken_->set(unit);
    }
    ++census_.nodes;
    census_.live_bytes += size;
    return {};
  }

  Result<void> node(Ref ref) {
    if (auto fits = inside(ref); !fits) return fits;
    if (auto seen = visit(ref); !seen) return seen;
    const NodeHead head = blob_.head(ref);
    switch (head.kind()) {
      case NodeKind::kLeaf: ++census_.leaves; return {};
      case NodeKind::kBlobEdge: census_.children.push_back(head.blob()); return {};
      case NodeKind::kPrefix: return prefix(ref, head);
      default: return inner(ref, head);
    }
  }

  Result<void> prefix(Ref ref, NodeHead head) {
    if (head.part_size() == 0) return bad(ref, "has an empty prefix");
    const Ref child = head.prefix_child();
    if (auto fits = inside(child); !fits) return fits;
    if (!is_inner(blob_.head(child).kind())) return bad(ref, "has a prefix before no inner node");
    todo_.push_back(child);
    return {};
  }

  Result<void> inner(Ref ref, NodeHead head) {
    if (head.terminal() != 0) {
      if (auto fits = inside(head.terminal()); !fits) return fits;
      const NodeHead leaf = blob_.head(head.terminal());
      if (leaf.kind() != NodeKind::kLeaf || leaf.part_size() != 0) {
        return bad(ref, "has a terminal that is no leaf");
      }
      todo_.push_back(head.terminal());
    }
    if (head.count() > node_capacity(head.kind())) return bad(ref, "counts too many children");
    std::size_t count = 0;
    int before = -1;
    Result<void> outcome;
    if (head.kind() == NodeKind::kNode48) outcome = positions(ref);
    if (!outcome) return outcome;
    std::vector<std::pair<Ref, BlobId>> edges;
    blob_.each_child(ref, head, 0, [&](unsigned char byte, Ref child) {
      ++count;
      if (byte <= before) outcome = bad(ref, "has unsorted children");
      before = byte;
      if (outcome) outcome = inside(child);
      if (!outcome) return false;
      const NodeHead below = blob_.head(child);
      if (below.kind() == NodeKind::kBlobEdge) {
        const auto same = std::ranges::find_if(edges, [&](const auto& edge) {
          return edge.first == child || edge.second == below.blob();
        });
        if (same != edges.end()) {
          if (same->first != child) outcome = bad(ref, "has two edges to one blob");
          return outcome.has_value();
        }
        edges.emplace_back(child, below.blob());
      }
      todo_.push_back(child);
      return true;
    });
    if (outcome && count != head.count()) return bad(ref, "miscounts its children");
    return outcome;
  }

  // Each place for a child of a Node48 is named by one byte, or empty.
  Result<void> positions(Ref ref) const {
    const std::byte* const node = blob_.at(ref);
    std::bitset<49> named;  // by position + 1, as in the index
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const auto at = load<unsigned char>(node + offsetof(DiskNode48, index) + byte);
      if (at == 0) continue;
      if (at > 48 || named.test(at)) return bad(ref, "has a damaged index");
      named.set(at);
    }
    for (std::size_t at = 1; at <= 48; ++at) {
      const Ref child = load<Ref>(node + offsetof(DiskNode48, children) + 2 * (at - 1));
      if ((child != 0) != named.test(at)) return bad(ref, "has a damaged index");
    }
    return {};
  }

  View blob_;
  BlobId id_;
  std::size_t used_;
  BlobCensus census_;
  std::vector<Ref> todo_;  // no recursion: a chain of nodes may be as long as the blob is large
  // Units that belong to a node met.
  std::unique_ptr<std::bitset<65536>> taken_ = std::make_unique<std::bitset<65536>>();
};

}  // namespace

Result<BlobCensus> check_blob(View blob, BlobId expected) { return Checker(blob, expected).run(); }

}  // namespace holt::art
