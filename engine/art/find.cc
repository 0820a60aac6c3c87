#include "engine/art/find.h"

#include <algorithm>

namespace holt::art {

namespace {

// Calls pass(ref, depth) for each inner node before it is left.
template <class Pass>
Found find_from(View blob, std::string_view key, Ref ref, std::uint32_t depth, Pass&& pass) {
  while (ref != 0) {
    const NodeHead head = blob.head(ref);
    const std::size_t rest = key.size() - depth;
    switch (head.kind()) {
      case NodeKind::kLeaf:
        if (head.part_size() != rest) return {};
        if (!equal(blob.part(ref), key.data() + depth, rest)) return {};
        return {.where = Where::kLeaf, .ref = ref, .depth = depth};
      case NodeKind::kPrefix: {
        const std::size_t size = head.part_size();
        if (size == 0 || size > rest) return {};
        if (!equal(blob.part(ref), key.data() + depth, size)) return {};
        depth += static_cast<std::uint32_t>(size);
        ref = head.prefix_child();
        break;
      }
      case NodeKind::kBlobEdge:
        // Reached through a branching byte, which the child's root looks at again.
        if (depth == 0) return {};
        return {.where = Where::kEdge, .depth = depth - 1, .child = head.blob()};
      case NodeKind::kNode4:
      case NodeKind::kNode16:
      case NodeKind::kNode48:
      case NodeKind::kNode256: {
        pass(ref, depth);
        if (rest == 0) {
          const Ref leaf = head.terminal();
          if (leaf == 0) return {};
          return {.where = Where::kLeaf, .ref = leaf, .depth = depth};
        }
        const std::uint32_t place =
            blob.child_place(ref, head, static_cast<unsigned char>(key[depth]));
        if (place == 0) return {};
        ref = blob.ref_at(place);
        ++depth;
        break;
      }
      default: return {};
    }
  }
  return {};
}

}  // namespace

Found find(View blob, std::string_view key, std::uint32_t depth) {
  return find_from(blob, key, blob.root(), depth, [](Ref, std::uint32_t) {});
}

Found find(View blob, std::string_view key, std::uint32_t depth, const Trail::Stop* stop,
           Trail& trail) {
  // The stop itself is in the trail already, and the root is never in it.
  std::uint32_t noted = stop != nullptr ? stop->depth : depth;
  return find_from(blob, key, stop != nullptr ? stop->ref : blob.root(), noted,
                   [&](Ref ref, std::uint32_t at) {
                     if (at > noted) trail.add(ref, at);
                   });
}

PrefixSpot find_prefix(View blob, std::string_view prefix, std::uint32_t depth) {
  using Kind = PrefixSpot::Kind;
  Ref ref = blob.root();
  while (ref != 0) {
    const NodeHead head = blob.head(ref);
    const std::size_t rest = prefix.size() - depth;
    if (head.kind() == NodeKind::kBlobEdge) {
      if (depth == 0) return {};
      return {.kind = Kind::kEdge, .depth = depth - 1, .child = head.blob()};
    }
    if (rest == 0) return {.kind = Kind::kNode, .ref = ref, .depth = depth};
    if (head.kind() == NodeKind::kLeaf || head.kind() == NodeKind::kPrefix) {
      const bool leaf = head.kind() == NodeKind::kLeaf;
      const std::size_t size = head.part_size();
      const std::size_t common = std::min(size, rest);
      if (common == 0 || !equal(blob.part(ref), prefix.data() + depth, common)) return {};
      if (size >= rest && (leaf || size > rest)) {
        return {.kind = Kind::kNode,
                .ref = ref,
                .skip = static_cast<std::uint32_t>(rest),
                .depth = depth};
      }
      if (leaf) return {};
      depth += static_cast<std::uint32_t>(common);
      ref = head.prefix_child();
    } else if (is_inner(head.kind())) {
      const std::uint32_t place =
          blob.child_place(ref, head, static_cast<unsigned char>(prefix[depth]));
      if (place == 0) return {};
      ref = blob.ref_at(place);
      ++depth;
    } else {
      return {};
    }
  }
  return {};
}

}  // namespace holt::art
