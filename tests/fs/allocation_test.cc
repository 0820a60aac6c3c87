// Goal: the requests that come most often take no memory from the heap, or what lasts alone.
//
// Method: count calls of operator new over many operations, of which the first ones fill what
// threads keep for the next. What the tree does now and then (a blob is cut, a table of nodes
// grows) counts too, so limits other than 0 have a little room.
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <cstdlib>
#include <new>

#include "tests/fs/fixture.h"

using namespace holtfs;
using namespace holtfs::test;

namespace {

std::atomic<std::uint64_t> allocations{0};

void* allocate(std::size_t size, std::size_t align) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  void* const memory = align == 0 ? std::malloc(size)
                                  : std::aligned_alloc(align, (size + align - 1) / align * align);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t size) { return allocate(size, 0); }
void* operator new(std::size_t size, std::align_val_t align) {
  return allocate(size, static_cast<std::size_t>(align));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace {

constexpr int kWarm = 100, kMeasured = 1000;

struct Allocations : Fixture {
  Allocations() {
    for (int depth = 0; depth < 5; ++depth) {
      parent = fs->mkdir(who, parent, "a directory " + std::to_string(depth), 0755)->attr.ino;
    }
    for (int i = 0; i < kWarm + kMeasured; ++i) {
      names.push_back("a name of some length " + std::to_string(i));
    }
  }

  // Allocations of each call of `operation(name)`.
  template <class Operation>
  double each(Operation operation) {
    for (int i = 0; i < kWarm; ++i) operation(names[i]);
    const std::uint64_t before = allocations;
    for (int i = kWarm; i < kWarm + kMeasured; ++i) operation(names[i]);
    return static_cast<double>(allocations - before) / kMeasured;
  }

  void create_all() {
    for (const std::string& name : names) BOOST_REQUIRE(fs->create(who, parent, name, 0644, true));
  }
  void make_all() {
    for (const std::string& name : names) BOOST_REQUIRE(fs->mkdir(who, parent, name, 0755));
  }

  Ino parent = kRootIno;
  std::vector<std::string> names;
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(looking_up_a_known_file_takes_none, Allocations) {
  create_all();
  BOOST_TEST(each([&](const std::string& name) { (void)fs->lookup(who, parent, name); }) == 0);
}

BOOST_FIXTURE_TEST_CASE(looking_up_a_missing_name_takes_none, Allocations) {
  BOOST_TEST(each([&](const std::string& name) { (void)fs->lookup(who, parent, name); }) == 0);
}

BOOST_FIXTURE_TEST_CASE(looking_up_a_new_file_takes_its_node_and_name, Allocations) {
  create_all();
  const Ino first = fs->lookup(who, parent, names.front())->attr.ino;
  fs->forget(first, 2);
  for (std::uint64_t i = 1; i < names.size(); ++i) fs->forget(Ino{number_of(first) + i}, 1);
  BOOST_TEST(each([&](const std::string& name) { (void)fs->lookup(who, parent, name); }) <= 2.05);
}

BOOST_FIXTURE_TEST_CASE(getattr_takes_none, Allocations) {
  create_all();
  const Ino file = fs->lookup(who, parent, names.front())->attr.ino;
  BOOST_TEST(each([&](const std::string&) { (void)fs->getattr(who, file); }) == 0);
  BOOST_TEST(each([&](const std::string&) { (void)fs->getattr(who, parent); }) == 0);
}

BOOST_FIXTURE_TEST_CASE(contents_and_targets_change_nothing_about_that, Allocations) {
  create_all();
  const Ino file = fs->lookup(who, parent, names.front())->attr.ino;
  BOOST_REQUIRE(fs->write(who, file, 0, std::string(3901, 'x'), false));
  const std::string target(100, 't');
  const Ino link = fs->symlink(who, parent, "link", target)->attr.ino;
  BOOST_TEST(each([&](const std::string&) {
               (void)fs->getattr(who, file);
               (void)fs->getattr(who, link);
               (void)fs->lookup(who, parent, names.front());
               (void)fs->lookup(who, parent, "link");
             }) == 0);
}

BOOST_FIXTURE_TEST_CASE(chmod_takes_none, Allocations) {
  create_all();
  const Ino file = fs->lookup(who, parent, names.front())->attr.ino;
  const SetAttr change{.mode = 0600};
  BOOST_TEST(each([&](const std::string&) { (void)fs->setattr(who, file, change); }) == 0);
}

BOOST_FIXTURE_TEST_CASE(create_and_mkdir_take_the_node_and_its_name, Allocations) {
  const Ino other = fs->mkdir(who, parent, "other", 0755)->attr.ino;
  BOOST_TEST(each([&](const std::string& name) {
               (void)fs->create(who, parent, name, 0644, true);
             }) <= 2.2);
  BOOST_TEST(each([&](const std::string& name) { (void)fs->mkdir(who, other, name, 0755); }) <=
             2.2);
}

BOOST_FIXTURE_TEST_CASE(rename_takes_none, Allocations) {
  create_all();
  for (std::string& name : names) name.push_back('x');
  BOOST_TEST(each([&](const std::string& name) {
               const std::string_view old(name.data(), name.size() - 1);
               (void)fs->rename(who, parent, old, parent, name, 0);
             }) <= 0.2);
}

BOOST_FIXTURE_TEST_CASE(unlink_takes_what_lives_on_until_it_is_forgotten, Allocations) {
  create_all();
  BOOST_TEST(each([&](const std::string& name) { (void)fs->unlink(who, parent, name); }) <= 2.2);
}

BOOST_FIXTURE_TEST_CASE(rmdir_takes_what_lives_on_and_two_walks_over_its_keys, Allocations) {
  make_all();
  BOOST_TEST(each([&](const std::string& name) { (void)fs->rmdir(who, parent, name); }) <= 4.2);
}
