#include "engine/art/split.h"

#include <algorithm>

#include "engine/art/copy.h"
#include "engine/base/check.h"

namespace holt::art {

namespace {

// One child of an inner node with the entries that lead to it.
struct Item {
  Ref child;
  std::size_t bytes;
  std::vector<unsigned char> entries;
};

std::vector<Item> items_of(View blob, Ref ref, NodeHead head) {
  std::vector<Item> items;
  blob.each_child(ref, head, 0, [&](unsigned char byte, Ref child) {
    if (blob.head(child).kind() == NodeKind::kBlobEdge) {
      const auto same = std::find_if(items.begin(), items.end(),
                                     [&](const Item& item) { return item.child == child; });
      if (same != items.end()) return same->entries.push_back(byte), true;
    }
    items.push_back({child, measure(blob, child), {byte}});
    return true;
  });
  return items;
}

// The run of neighbours [first, last) whose sum is closest to `goal`.
std::pair<std::size_t, std::size_t> closest_run(const std::vector<Item>& items, std::size_t goal) {
  std::pair<std::size_t, std::size_t> best{0, 1};
  std::size_t best_miss = ~std::size_t{0};
  for (std::size_t first = 0; first < items.size(); ++first) {
    std::size_t sum = 0;
    for (std::size_t last = first; last < items.size(); ++last) {
      sum += items[last].bytes;
      const std::size_t miss = sum > goal ? sum - goal : goal - sum;
      if (miss < best_miss) best_miss = miss, best = {first, last + 1};
      if (sum > goal) break;
    }
  }
  return best;
}

}  // namespace

Cut choose_cut(View blob) {
  const std::size_t goal = blob.live() / 2;
  const std::size_t heavy = goal + goal / 4;
  Cut cut;
  std::uint32_t place = Editor::root_place();
  for (;;) {
    Ref ref = blob.ref_at(place);
    NodeHead head = blob.head(ref);
    if (head.kind() == NodeKind::kPrefix) {
      place = Editor::prefix_child_place(ref);
      ref = head.prefix_child();
      head = blob.head(ref);
    }
    if (!is_inner(head.kind()) || head.count() == 0) return cut;
    const std::vector<Item> items = items_of(blob, ref, head);
    const auto most = std::max_element(
        items.begin(), items.end(), [](const Item& a, const Item& b) { return a.bytes < b.bytes; });
    const NodeKind most_kind = blob.head(most->child).kind();
    const bool divisible = is_inner(most_kind) || most_kind == NodeKind::kPrefix;
    const auto [first, last] = closest_run(items, goal);
    cut.place = place;
    cut.bytes.clear();
    for (std::size_t i = first; i < last; ++i) {
      cut.bytes.insert(cut.bytes.end(), items[i].entries.begin(), items[i].entries.end());
    }
    std::sort(cut.bytes.begin(), cut.bytes.end());
    if (most->bytes <= heavy || !divisible) return cut;
    place = blob.child_place(ref, head, most->entries.front());
  }
}

void split(Editor& blob, const Cut& cut, std::byte* target, BlobId id) {
  CHECK(cut.place != 0 && !cut.bytes.empty(), "B4");
  const Ref node = blob.ref_at(cut.place);
  const NodeHead head = blob.head(node);
  Editor child = Editor::format(target, id);
  if (cut.bytes.size() > 4) {
    child.release(child.root());
    child.set_ref(Editor::root_place(), child.new_inner(kind_for(cut.bytes.size())));
  }
  std::vector<std::pair<Ref, Ref>> moved;
  for (const unsigned char byte : cut.bytes) {
    const Ref old = blob.ref_at(blob.child_place(node, head, byte));
    auto same = std::find_if(moved.begin(), moved.end(),
                             [&](const auto& pair) { return pair.first == old; });
    if (same == moved.end()) {
      same = moved.insert(moved.end(), {old, copy_subtree(blob, old, child)});
    }
    child.add_child(Editor::root_place(), byte, same->second);
  }
  // A full blob has no room for the edge: it takes the place of the first node that moved.
  std::vector<BlobId> grandchildren;
  for (const auto& pair : moved) release_subtree(blob, pair.first, grandchildren);
  const Ref edge = moved.front().first;
  blob.overwrite_with_edge(edge, id);
  for (const unsigned char byte : cut.bytes) {
    blob.set_ref(blob.child_place(node, head, byte), edge);
  }
  compact(blob);
  compact(child);
}

}  // namespace holt::art
