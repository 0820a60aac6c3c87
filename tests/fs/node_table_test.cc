// Goal: a node lives exactly as long as somebody refers to it, whatever the order of forgetting
// (N3).
#include "fs/node_table.h"

#include <boost/test/unit_test.hpp>

#include <thread>
#include <vector>

using namespace holtfs;

namespace {

struct Table {
  static void on_gone(void* self, std::unique_ptr<Orphan> orphan) {
    static_cast<Table*>(self)->gone.push_back(number_of(orphan->inode.ino));
  }
  std::vector<std::uint64_t> gone;
  NodeTable nodes{&on_gone, this};

  Node& dir(std::uint64_t ino, Node& parent) {
    return nodes.acquire(Ino{ino}, Place::kDirectory, &parent, "d" + std::to_string(ino));
  }
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(parents_live_as_long_as_children, Table) {
  Node& a = dir(2, nodes.root());
  Node& b = dir(3, a);
  dir(4, b);
  nodes.release(Ino{2}, 1);
  nodes.release(Ino{3}, 1);
  BOOST_TEST(nodes.size() == 4);
  BOOST_TEST(nodes.find(Ino{2}) == &a);
  nodes.release(Ino{4}, 1);
  BOOST_TEST(nodes.size() == 1);
}

BOOST_FIXTURE_TEST_CASE(lookups_are_counted, Table) {
  dir(2, nodes.root());
  dir(2, nodes.root());
  dir(2, nodes.root());
  nodes.release(Ino{2}, 2);
  BOOST_TEST(nodes.find(Ino{2}) != nullptr);
  nodes.release(Ino{2}, 1);
  BOOST_TEST(nodes.find(Ino{2}) == nullptr);
}

BOOST_FIXTURE_TEST_CASE(children_and_pins_are_no_lookups, Table) {
  BOOST_TEST(nodes.lookups() == 0);
  Node& a = dir(2, nodes.root());
  Node& child = dir(3, a);
  dir(3, a);
  {
    const NodePin pin = nodes.pin(Ino{3});
  }
  nodes.move(child, Place::kDirectory, &nodes.root(), "new");
  BOOST_TEST(nodes.lookups() == 3);
  nodes.release(Ino{3}, 2);
  BOOST_TEST(nodes.lookups() == 1);
  nodes.clear();
  BOOST_TEST(nodes.lookups() == 0);
}

BOOST_FIXTURE_TEST_CASE(moving_a_node_moves_its_pin, Table) {
  Node& a = dir(2, nodes.root());
  Node& b = dir(3, nodes.root());
  Node& child = dir(4, a);
  nodes.move(child, Place::kDirectory, &b, "new");
  nodes.release(Ino{2}, 1);
  BOOST_TEST(nodes.find(Ino{2}) == nullptr);
  nodes.release(Ino{3}, 1);
  BOOST_TEST(nodes.find(Ino{3}) == &b);
}

BOOST_FIXTURE_TEST_CASE(who_has_children_is_known, Table) {
  Node& a = dir(2, nodes.root());
  Node& b = dir(3, nodes.root());
  dir(4, a);
  Node& moved = dir(5, a);
  dir(5, a);  // known already
  BOOST_TEST(nodes.has_children(Ino{2}));
  nodes.release(Ino{4}, 1);
  nodes.move(moved, Place::kDirectory, &b, "new");
  BOOST_TEST(!nodes.has_children(Ino{2}));
  BOOST_TEST(nodes.has_children(Ino{3}));
  nodes.release(Ino{5}, 2);
  BOOST_TEST(!nodes.has_children(Ino{3}));
  BOOST_TEST(!nodes.has_children(Ino{99}));
}

BOOST_FIXTURE_TEST_CASE(an_orphan_is_handed_over_with_its_last_reference, Table) {
  Node& file = nodes.acquire(Ino{5}, Place::kEntry, &nodes.root(), "f");
  auto orphan = std::make_unique<Orphan>();
  orphan->inode.ino = Ino{5};
  {
    const NodePin pin = nodes.pin(Ino{5});
    nodes.make_orphan(file, std::move(orphan));
    nodes.release(Ino{5}, 1);
    BOOST_TEST(gone.empty());
  }
  BOOST_TEST(gone == std::vector<std::uint64_t>{5});
}

BOOST_FIXTURE_TEST_CASE(many_nodes_are_found_and_forgotten, Table) {
  constexpr std::uint64_t kCount = 100'000;
  for (std::uint64_t i = 2; i < kCount; ++i) {
    nodes.acquire(Ino{i}, Place::kEntry, &nodes.root(), "n");
  }
  for (std::uint64_t i = 2; i < kCount; ++i) BOOST_REQUIRE(nodes.find(Ino{i}) != nullptr);
  for (std::uint64_t i = 2; i < kCount; ++i) nodes.release(Ino{i}, 1);
  BOOST_TEST(nodes.size() == 1);
}

BOOST_FIXTURE_TEST_CASE(threads_agree_on_one_node, Table) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this] {
      for (int i = 0; i < 20'000; ++i) {
        const Ino ino{2 + static_cast<std::uint64_t>(i % 7)};
        nodes.acquire(ino, Place::kEntry, &nodes.root(), "n");
        nodes.release(ino, 1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  BOOST_TEST(nodes.size() == 1);
}
