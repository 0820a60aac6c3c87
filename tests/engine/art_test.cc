// Goal: the walkers of one blob agree with an ordered map and leave a blob that passes
// check_blob(). Method: seeded random keys over a small alphabet, so that every kind of node grows,
// shrinks, forks and folds; after each burst the whole blob is compared.
#include <boost/test/unit_test.hpp>

#include <map>
#include <memory>
#include <random>

#include "engine/art/check.h"
#include "engine/art/copy.h"
#include "engine/art/edit.h"
#include "engine/art/find.h"
#include "engine/art/merge.h"
#include "engine/art/scan.h"
#include "engine/art/split.h"
#include "tests/engine/random_keys.h"

using namespace holt;
using namespace holt::art;

namespace {

using Oracle = std::map<std::string, std::string>;

struct alignas(4096) Frame {
  std::byte bytes[kBlobBytes + kFramePad];
};

struct Blob {
  std::unique_ptr<Frame> frame = std::make_unique<Frame>();
  Editor editor;
  explicit Blob(std::uint32_t id = 0) : editor(Editor::format(frame->bytes, BlobId{id})) {}
};

BlobCensus must_check(View blob, std::uint32_t id = 0) {
  auto census = check_blob(blob, BlobId{id});
  if (!census) BOOST_FAIL(census.error().to_string());
  return std::move(*census);
}

std::string value_of(View blob, Ref leaf) {
  const NodeHead head = blob.head(leaf);
  std::string out(head.value_size(), '\0');
  copy_out(out.data(), blob.leaf_value(leaf, head), out.size());
  return out;
}

// No entries share a child where the blob has no edges.
std::size_t bytes_below(View blob, const Cut& cut) {
  const Ref node = blob.ref_at(cut.place);
  std::size_t bytes = 0;
  for (const unsigned char byte : cut.bytes) {
    bytes += measure(blob, blob.ref_at(blob.child_place(node, blob.head(node), byte)));
  }
  return bytes;
}

void require_equal(View blob, const Oracle& oracle) {
  BOOST_REQUIRE_EQUAL(must_check(blob).leaves, oracle.size());
  for (const auto& [key, value] : oracle) {
    const Found found = find(blob, key, 0);
    BOOST_REQUIRE(found.where == Where::kLeaf);
    BOOST_REQUIRE(value_of(blob, found.ref) == value);
  }
  ScanBuffer buffer;
  const WalkResult result = walk(blob, "", 255, {}, {}, ~std::size_t{0}, buffer);
  BOOST_REQUIRE(result.end == WalkEnd::kExhausted);
  BOOST_REQUIRE_EQUAL(buffer.entries.size(), oracle.size());
  auto expected = oracle.begin();
  for (const auto& entry : buffer.entries) {
    BOOST_REQUIRE(buffer.key(entry) == expected->first);
    BOOST_REQUIRE(buffer.value(entry) == expected->second);
    ++expected;
  }
}

// Puts while there is room, as the tree above does.
void put_some(Blob& blob, Oracle& oracle, RandomKeys& random, int count) {
  for (int i = 0; i < count; ++i) {
    const std::string key = random.key();
    const std::string value = random.value();
    if (blob.editor.room() < put_bound(key.size(), value.size())) compact(blob.editor);
    if (blob.editor.room() < put_bound(key.size(), value.size())) return;
    put(blob.editor, key, 0, value);
    oracle[key] = value;
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_new_blob_is_valid_and_empty) {
  const Blob blob;
  BOOST_TEST(must_check(blob.editor).leaves == 0u);
  BOOST_TEST((find(blob.editor, "", 0).where == Where::kAbsent));
  BOOST_TEST((find(blob.editor, "a", 0).where == Where::kAbsent));
}

BOOST_AUTO_TEST_CASE(random_puts_and_erases_agree_with_an_ordered_map) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      RandomKeys random(seed);
      Blob blob;
      Oracle oracle;
      for (int burst = 0; burst < 30; ++burst) {
        put_some(blob, oracle, random, 300);
        for (int i = 0; i < (burst % 3 == 2 ? 800 : 100); ++i) {
          const std::string key = random.key();
          if (blob.editor.room() < 4096) compact(blob.editor);
          BOOST_REQUIRE_EQUAL(erase(blob.editor, key, 0), oracle.erase(key) > 0);
        }
        require_equal(blob.editor, oracle);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(erasing_everything_leaves_only_the_root) {
  RandomKeys random(7);
  Blob blob;
  Oracle oracle;
  put_some(blob, oracle, random, 3000);
  for (const auto& entry : oracle) BOOST_REQUIRE(erase(blob.editor, entry.first, 0));
  BOOST_TEST(must_check(blob.editor).nodes == 1u);
}

BOOST_AUTO_TEST_CASE(compaction_drops_dead_bytes_and_nothing_else) {
  RandomKeys random(3);
  Blob blob;
  Oracle oracle;
  put_some(blob, oracle, random, 2000);
  const auto live = blob.editor.live();
  BOOST_REQUIRE_GT(blob.editor.dead(), 0u);
  compact(blob.editor);
  BOOST_TEST(blob.editor.dead() == 0u);
  BOOST_TEST(blob.editor.used() == live);
  require_equal(blob.editor, oracle);
}

BOOST_AUTO_TEST_CASE(scans_start_where_the_bound_says) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    RandomKeys random(seed);
    Blob blob;
    Oracle oracle;
    put_some(blob, oracle, random, 1500);
    for (int i = 0; i < 300; ++i) {
      const std::string bound = random.key();
      using Mode = ScanBound::Mode;
      for (const Mode mode : {Mode::kFrom, Mode::kAfter, Mode::kAfterPrefix}) {
        ScanBuffer buffer;
        walk(blob.editor, "", 255, {bound, mode}, {}, ~std::size_t{0}, buffer);
        auto expected =
            mode == Mode::kAfter ? oracle.upper_bound(bound) : oracle.lower_bound(bound);
        if (mode == Mode::kAfterPrefix) {
          while (expected != oracle.end() && expected->first.starts_with(bound)) ++expected;
        }
        for (const auto& entry : buffer.entries) {
          BOOST_REQUIRE(expected != oracle.end());
          BOOST_REQUIRE(buffer.key(entry) == expected->first);
          ++expected;
        }
        BOOST_REQUIRE(expected == oracle.end());
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(rolled_up_scans_give_one_entry_per_component) {
  RandomKeys random(5);
  Blob blob;
  Oracle oracle;
  put_some(blob, oracle, random, 2000);
  for (const std::string prefix : {"", "a", "ab", "b/"}) {
    std::vector<std::string> expected;
    for (const auto& entry : oracle) {
      if (!entry.first.starts_with(prefix)) continue;
      const auto at = entry.first.find('/', prefix.size());
      const std::string shown =
          at == std::string::npos ? entry.first : entry.first.substr(0, at + 1);
      if (expected.empty() || expected.back() != shown) expected.push_back(shown);
    }
    ScanBuffer buffer;
    walk(blob.editor, "", 255, {prefix, ScanBound::Mode::kFrom}, {prefix, '/', true},
         ~std::size_t{0}, buffer);
    std::vector<std::string> seen;
    for (const auto& entry : buffer.entries) seen.emplace_back(buffer.key(entry));
    BOOST_TEST(seen == expected, boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(a_moved_subtree_keeps_its_keys_under_the_new_prefix) {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    RandomKeys random(seed);
    Blob blob;
    Oracle oracle;
    put_some(blob, oracle, random, 1000);
    for (int i = 0; i < 200; ++i) {
      const std::string from = random.prefix();
      const std::string to = random.prefix();
      if (from.starts_with(to) || to.starts_with(from)) continue;
      const auto target = oracle.lower_bound(to);
      if (target != oracle.end() && target->first.starts_with(to)) continue;
      compact(blob.editor);
      const Ref subtree = detach(blob.editor, from, 0, find_prefix(blob.editor, from, 0));
      Oracle moved;
      for (auto at = oracle.lower_bound(from); at != oracle.end() && at->first.starts_with(from);
           at = oracle.erase(at)) {
        moved[to + at->first.substr(from.size())] = at->second;
      }
      BOOST_REQUIRE_EQUAL(subtree != 0, !moved.empty());
      if (subtree != 0) attach(blob.editor, to, 0, subtree);
      oracle.merge(moved);
      require_equal(blob.editor, oracle);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_split_cuts_near_the_middle_and_a_merge_undoes_it) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      RandomKeys random(seed);
      Blob blob;
      Oracle oracle;
      put_some(blob, oracle, random, 100000);
      const auto live = blob.editor.live();
      const Cut cut = choose_cut(blob.editor);
      const std::size_t moves = bytes_below(blob.editor, cut);
      BOOST_TEST(moves > live / 5);
      BOOST_TEST(moves < live * 4 / 5);
      Blob child(1);
      split(blob.editor, cut, child.frame->bytes, BlobId{1});
      const auto above = must_check(blob.editor);
      BOOST_REQUIRE_EQUAL(above.children.size(), 1u);
      BOOST_TEST(above.leaves + must_check(child.editor, 1).leaves == oracle.size());
      std::uint32_t depth = 0;
      std::string below;
      for (const auto& [key, value] : oracle) {
        Found found = find(blob.editor, key, 0);
        View where = blob.editor;
        if (found.where == Where::kEdge) {
          BOOST_REQUIRE(found.child == BlobId{1});
          depth = found.depth;
          below = key;
          where = child.editor;
          found = find(where, key, found.depth);
        }
        BOOST_REQUIRE(found.where == Where::kLeaf);
        BOOST_REQUIRE(value_of(where, found.ref) == value);
      }
      BOOST_REQUIRE(!below.empty());
      // Merging needs room, so most keys go first.
      for (auto at = oracle.begin(); at != oracle.end();) {
        if (random.chance(4)) {
          ++at;
          continue;
        }
        const bool here = find(blob.editor, at->first, 0).where != Where::kEdge;
        BOOST_REQUIRE(erase(here ? blob.editor : child.editor, at->first, here ? 0 : depth));
        at = oracle.erase(at);
      }
      compact(blob.editor);
      BOOST_REQUIRE_GT(blob.editor.room(), child.editor.live() + kMergeSlack);
      absorb_child(blob.editor, 0, child.editor, depth, below);
      require_equal(blob.editor, oracle);
    }
  }
}

namespace {

// A blob whose root has one child for each of the first `count` bytes.
Blob wide_blob(unsigned count) {
  Blob blob;
  for (unsigned byte = 0; byte < count; ++byte) {
    put(blob.editor, std::string(1, static_cast<char>(byte)) + "suffix", 0, "value");
  }
  return blob;
}

void set_byte(Blob& blob, Ref node, std::size_t offset, unsigned value) {
  blob.frame->bytes[std::size_t{node} * kNodeUnit + offset] =
      std::byte{static_cast<unsigned char>(value)};
}
void set_count(Blob& blob, Ref node, unsigned count) {
  set_byte(blob, node, offsetof(DiskInner, count), count);
}
std::size_t index_place(unsigned byte) { return offsetof(DiskNode48, index) + byte; }
std::uint32_t position_place(Ref node, unsigned position) {
  return static_cast<std::uint32_t>(std::size_t{node} * kNodeUnit + offsetof(DiskNode48, children) +
                                    2 * std::size_t{position});
}

void must_refuse(const Blob& blob, std::string_view what) {
  const auto census = check_blob(blob.editor, BlobId{0});
  BOOST_REQUIRE(!census.has_value());
  BOOST_TEST((census.error().code() == Code::kCorrupt));
  BOOST_TEST(census.error().text().find(what) != std::string::npos, census.error().text());
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_place_for_a_child_that_no_byte_names_is_refused) {
  Blob blob = wide_blob(30);
  const Ref root = blob.editor.root();
  BOOST_REQUIRE(blob.editor.head(root).kind() == NodeKind::kNode48);
  must_check(blob.editor);
  BOOST_REQUIRE(blob.editor.ref_at(position_place(root, 40)) == 0);
  blob.editor.set_ref(position_place(root, 40), blob.editor.ref_at(position_place(root, 3)));
  must_refuse(blob, "damaged index");
}

// One node may hang from several entries when it is an edge; but each entry has a place of its own.
BOOST_AUTO_TEST_CASE(two_bytes_that_name_one_place_for_a_child_are_refused) {
  Blob blob = wide_blob(30);
  blob.editor.add_child(Editor::root_place(), 200, blob.editor.new_edge(BlobId{9}));
  const Ref root = blob.editor.root();
  must_check(blob.editor);
  const unsigned position =
      load<unsigned char>(blob.editor.at(root) + offsetof(DiskNode48, index) + 200);
  set_byte(blob, root, index_place(201), position);
  set_count(blob, root, 32);
  must_refuse(blob, "damaged index");
}

BOOST_AUTO_TEST_CASE(nodes_that_overlap_are_refused_though_the_sizes_add_up) {
  Blob blob;
  // In the midst of the first value lies what passes for a leaf.
  std::string value(40, '\0');
  const unsigned char fake_leaf = static_cast<unsigned char>(NodeKind::kLeaf);
  put(blob.editor, "a", 0, value);
  put(blob.editor, "b", 0, std::string(16, 'x'));
  const Ref outer = find(blob.editor, "a", 0).ref;
  const Ref other = find(blob.editor, "b", 0).ref;
  const auto inner = static_cast<Ref>(outer + 3);
  set_byte(blob, inner, 0, fake_leaf);
  must_check(blob.editor);
  const Ref root = blob.editor.root();
  const std::uint32_t place = blob.editor.child_place(root, blob.editor.head(root), 'b');
  const std::size_t lost = blob.editor.size_of(blob.editor.head(other));
  const std::size_t gained = blob.editor.size_of(blob.editor.head(inner));
  blob.editor.set_ref(place, inner);
  blob.editor.add_dead(lost - gained);
  must_refuse(blob, "overlap");
}

BOOST_AUTO_TEST_CASE(two_edges_of_one_node_to_one_blob_are_refused) {
  Blob blob;
  const Ref edge = blob.editor.new_edge(BlobId{9});
  blob.editor.add_child(Editor::root_place(), 'a', edge);
  blob.editor.add_child(Editor::root_place(), 'b', edge);
  BOOST_TEST(must_check(blob.editor).children.size() == 1U);
  blob.editor.add_child(Editor::root_place(), 'c', blob.editor.new_edge(BlobId{9}));
  must_refuse(blob, "two edges to one blob");
}
