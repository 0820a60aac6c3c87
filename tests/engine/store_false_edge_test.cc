// Goal: damage that every checksum hides is met without harm: an edge that names a blob that does
// not exist does not stop the store from erasing what it hangs from.
// Crash model: none; bytes on disk are not those that were written.
// Method: the image of a closed store is changed, and every checksum above it made right.
#include <boost/test/unit_test.hpp>

#include <cstring>

#include <fmt/format.h>

#include "engine/art/view.h"
#include "engine/base/checksum.h"
#include "engine/base/le.h"
#include "engine/checkpoint/blob_map.h"
#include "engine/checkpoint/superblock.h"
#include "engine/frame/pool.h"
#include "tests/engine/store_support.h"

using namespace holt;
using namespace holt::sim;
using namespace holt::test;
using Area = Storage::Area;

namespace {

// A closed store with a subtree of several blobs below blobs, and one key beside it.
std::shared_ptr<SimDisk> deep_store(std::uint64_t seed) {
  auto disk = SimDisk::create(seed);
  const auto store = value_of(Store::open(disk->attach(), small_options(8u << 20)));
  require_ok(store->put("k", "kept"));
  for (int i = 0; i < 10; ++i) {
    require_ok(store->put(fmt::format("d/{}", i), std::string(60000, 'v')));
  }
  for (int i = 0; i < 100; ++i) {
    require_ok(store->put(fmt::format("d/{}/{}", i / 10, i % 10), std::string(20000, 'v')));
  }
  require_ok(store->close());
  return disk;
}

// Has one edge of the root blob, or of one below it, name another blob, and makes every checksum
// right.
void redirect_edge(SimDisk& disk, bool in_root, std::uint32_t to) {
  const auto storage = disk.attach();
  BlobMap blobs;
  std::vector<std::string> problems;
  Superblock superblock = value_of(read_superblock(*storage, blobs, problems));
  MapSnapshot map = blobs.snapshot();
  for (std::size_t id = in_root ? 0 : 1; id < map.entries.size(); ++id) {
    BlobImage& image = map.entries[id].image;
    if (image.slot == kNoSlot) continue;
    Pages pages((image.used + kDiskPage - 1) / kDiskPage);
    require_ok(storage->read_slot(image.slot, pages.bytes()));
    std::byte* const bytes = pages.bytes().data();
    const art::View view(bytes);
    std::size_t edge = 0;
    view.each_node(view.root(), [&](art::Ref ref, art::NodeHead head) {
      if (head.kind() == NodeKind::kBlobEdge) edge = std::size_t{ref} * kNodeUnit;
      return edge == 0;
    });
    if (edge == 0) continue;
    const Le32 blob(to);
    std::memcpy(bytes + edge + offsetof(DiskBlobEdge, blob), &blob, sizeof blob);
    Le64 sum(0);
    std::memcpy(bytes + offsetof(DiskBlobHeader, checksum), &sum, sizeof sum);
    image.checksum = checksum(pages.bytes().first(image.used));
    sum = image.checksum;
    std::memcpy(bytes + offsetof(DiskBlobHeader, checksum), &sum, sizeof sum);
    const Storage::SlotWrite write{image.slot, pages.bytes()};
    require_ok(storage->write_slots({&write, 1}));
    const auto encoded = BlobMap::encode(map, superblock.sequence);
    superblock.map_checksum = checksum(encoded);
    require_ok(storage->write_area(superblock.area == 0 ? Area::kMap0 : Area::kMap1, encoded));
    require_ok(write_superblock(*storage, superblock));
    return;
  }
  BOOST_FAIL("no blob has an edge");
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_subtree_with_an_edge_to_no_blob_can_be_erased) {
  for (const bool in_root : {true, false}) {
    for (const std::uint32_t nowhere : {700U, kMaxBlobs + 5, 0xfffffff0U, 0U}) {
      BOOST_TEST_CONTEXT("edge to blob " << nowhere << (in_root ? " in the root" : " below")) {
        const auto disk = deep_store(test_seed());
        redirect_edge(*disk, in_root, nowhere);
        auto store = value_of(Store::open(disk->attach(), small_options()));
        Batch batch;
        batch.erase_prefix("d/");
        require_ok(store->apply(batch));
        store->maintain();
        require_ok(store->checkpoint());
        require_ok(store->put("e", "new"));
        require_ok(store->close());
        store.reset();
        store = value_of(Store::open(disk->attach(), small_options()));
        BOOST_TEST((scan_all(*store) == Oracle::Map{{"e", "new"}, {"k", "kept"}}));
      }
    }
  }
}
