// Goal: one flipped bit anywhere on disk is noticed: open(), verify() or get() says kCorrupt and
// where, or it did no harm; never wrong data, never a crash. Bytes that pass every checksum and are
// wrong all the same are refused by check_blob() or are safe to read.
// Crash model: none; the device returns other bytes than were written.
// Method: a closed store on the simulated device is opened read-only after each flip, so that the
// device stays as it is and the flip can be taken back. HOLT_TEST_SEED repeats a run.
#include <boost/test/unit_test.hpp>

#include <cstring>
#include <set>

#include <fmt/format.h>

#include "engine/art/check.h"
#include "engine/art/find.h"
#include "engine/art/scan.h"
#include "tests/engine/store_support.h"

using namespace holt;
using namespace holt::sim;
using namespace holt::test;
using Area = Storage::Area;

namespace {

constexpr std::uint64_t kLogBytes = 1u << 20;

struct Image {
  BlobId id;
  Slot slot;
  std::vector<std::byte> bytes;
};

// A closed store, and where everything lies.
class Specimen {
 public:
  Specimen(std::uint64_t seed, int batches, std::size_t value_limit)
      : disk_(SimDisk::create(seed)), random_(seed, value_limit) {
    auto store = value_of(Store::open(disk_->attach(), small_options(kLogBytes)));
    for (int i = 0; i < batches; ++i) {
      const Batch batch = random_.next();
      if (store->apply(batch)) oracle_.apply(batch);
    }
    for (int byte = 0; byte < 256; ++byte) {  // for the two largest kinds of node
      Batch batch;
      batch.put("w" + std::string(1, static_cast<char>(byte)), "wide");
      if (byte < 40) batch.put("v" + std::string(1, static_cast<char>(byte)), "wide");
      require_ok(store->apply(batch));
      oracle_.apply(batch);
    }
    store->maintain();                // so that no blob is there that the tree does not lead to
    require_ok(store->checkpoint());  // the third superblock: from now on there must be two
    require_ok(store->close());
    store.reset();
    read_layout();
  }

  SimDisk& disk() { return *disk_; }
  const Oracle::Map& map() const { return oracle_.map(); }
  RandomKeys& dice() { return random_.keys(); }
  const std::vector<Image>& images() const { return images_; }
  unsigned newest() const { return newest_; }
  std::size_t map_bytes() const { return map_bytes_; }
  Area super(unsigned which) const { return which == 0 ? Area::kSuper0 : Area::kSuper1; }
  Area map_area(unsigned which) const { return which == 0 ? Area::kMap0 : Area::kMap1; }

  // Zeros over a part of an area; gives what it held as a whole.
  std::vector<std::byte> overwrite(Area area, std::size_t from, std::size_t size) {
    const auto storage = disk_->attach();
    const auto before = value_of(storage->read_area(area));
    auto bytes = before;
    std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(from), size, std::byte{0});
    require_ok(storage->write_area(area, bytes));
    return before;
  }
  void restore(Area area, const std::vector<std::byte>& bytes) {
    require_ok(disk_->attach()->write_area(area, bytes));
  }

  Result<std::unique_ptr<Store>> open_read_only() {
    Options options = small_options(kLogBytes);
    options.read_only = true;
    return Store::open(disk_->attach(true), options);
  }

 private:
  void read_layout() {
    auto storage = disk_->attach(true);
    DiskSuperblock superblock{};
    for (unsigned which = 0; which < 2; ++which) {
      const auto bytes = value_of(storage->read_area(super(which)));
      DiskSuperblock one;
      std::memcpy(&one, bytes.data(), sizeof one);
      if (one.sequence > superblock.sequence) superblock = one, newest_ = which;
    }
    const auto map = value_of(storage->read_area(map_area(newest_)));
    map_bytes_ = superblock.map_bytes;
    DiskMapHeader header;
    std::memcpy(&header, map.data(), sizeof header);
    for (std::uint32_t id = 0; id < header.entries; ++id) {
      DiskMapEntry entry;
      std::memcpy(&entry, map.data() + sizeof header + id * sizeof entry, sizeof entry);
      if (entry.slot == kDiskNoSlot) continue;
      Pages pages((entry.used + kDiskPage - 1) / kDiskPage);
      require_ok(storage->read_slot(Slot{entry.slot.get()}, pages.bytes()));
      const auto bytes = pages.bytes().first(entry.used);
      images_.push_back({BlobId{id}, Slot{entry.slot.get()}, {bytes.begin(), bytes.end()}});
    }
  }

  std::shared_ptr<SimDisk> disk_;
  RandomBatches random_;
  Oracle oracle_;
  std::vector<Image> images_;
  unsigned newest_ = 0;
  std::size_t map_bytes_ = 0;
};

bool mentions(const std::vector<std::string>& texts, std::string_view what) {
  return std::ranges::any_of(
      texts, [&](const std::string& text) { return text.find(what) != std::string::npos; });
}

// Opening fails, and the error names the place.
void check_refused(Specimen& specimen, std::string_view place) {
  const auto opened = specimen.open_read_only();
  BOOST_REQUIRE(!opened.has_value());
  BOOST_TEST(opened.error().code() == Code::kCorrupt);
  BOOST_TEST(opened.error().to_string().find(place) != std::string::npos,
             opened.error().to_string() << " does not name " << place);
}

// Everything is there, and verify() names the place.
void check_survived(Specimen& specimen, std::string_view place) {
  const auto store = value_of(specimen.open_read_only());
  BOOST_REQUIRE(same_maps(scan_all(*store), specimen.map()));
  const VerifyReport report = value_of(store->verify());
  BOOST_TEST(mentions(report.problems, place), "verify() does not name " << place);
}

// One reference of each node of the blob, by kind.
void collect_nodes(art::View blob, art::Ref ref, std::map<NodeKind, std::vector<art::Ref>>& out) {
  const art::NodeHead head = blob.head(ref);
  out[head.kind()].push_back(ref);
  if (head.kind() == NodeKind::kPrefix) return collect_nodes(blob, head.prefix_child(), out);
  if (!art::is_inner(head.kind())) return;
  if (head.terminal() != 0) collect_nodes(blob, head.terminal(), out);
  blob.each_distinct_child(ref, head, [&](art::Ref child) { collect_nodes(blob, child, out); });
}

// A copy of an image with what a frame has around it.
class FrameCopy {
 public:
  explicit FrameCopy(const Image& image) : words_((kBlobBytes + kFramePad) / 8) {
    std::memcpy(words_.data(), image.bytes.data(), image.bytes.size());
  }
  std::byte* bytes() { return reinterpret_cast<std::byte*>(words_.data()); }
  art::View view() { return art::View(bytes()); }

 private:
  std::vector<std::uint64_t> words_;
};

// A blob is damaged: verify() names it, and reads are right or refused.
void check_blob_refused(Specimen& specimen, const Image& image, bool has_keys) {
  auto opened = specimen.open_read_only();
  const auto store = value_of(std::move(opened));
  std::string value;
  std::size_t refused = 0;
  for (const auto& [key, expected] : specimen.map()) {
    const auto got = store->get(key, value);
    if (got) {
      BOOST_REQUIRE(value == expected);
    } else {
      ++refused;
      BOOST_REQUIRE_EQUAL(got.error().code(), Code::kCorrupt);
      const std::string place = fmt::format("blob {}", index_of(image.id));
      BOOST_REQUIRE(got.error().text().find(place) != std::string::npos);
    }
  }
  BOOST_TEST((refused > 0U || !has_keys));
  Cursor cursor = store->scan({.prefix = {}, .after = {}, .delimiter = std::nullopt});
  Result<bool> more = cursor.next();
  while (more && *more) more = cursor.next();
  check_error(more, Code::kCorrupt);
  const VerifyReport report = value_of(store->verify());
  BOOST_TEST(mentions(report.problems, fmt::format("blob {}", index_of(image.id))));
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_flipped_bit_in_one_copy_of_a_superblock_is_survived_and_reported) {
  Specimen specimen(test_seed(), 200, 50);
  for (std::size_t byte = 0; byte < 2 * sizeof(DiskSuperblock); byte += 5) {
    const std::size_t copy = byte / sizeof(DiskSuperblock);
    const std::size_t at = copy * kSuperblockCopyStride + byte % sizeof(DiskSuperblock);
    const auto bit = static_cast<unsigned>(specimen.dice().below(8));
    for (unsigned which = 0; which < 2; ++which) {
      specimen.disk().flip_bit_in_area(specimen.super(which), at, bit);
      check_survived(specimen, fmt::format("superblock {}, copy {}", which, copy));
      specimen.disk().flip_bit_in_area(specimen.super(which), at, bit);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_superblock_without_a_valid_copy_is_refused_for_it_may_be_the_newest) {
  Specimen specimen(test_seed() + 1, 200, 50);
  for (int i = 0; i < 200; ++i) {
    const std::size_t first = specimen.dice().below(sizeof(DiskSuperblock));
    const std::size_t second =
        kSuperblockCopyStride + specimen.dice().below(sizeof(DiskSuperblock));
    for (unsigned which = 0; which < 2; ++which) {
      for (const std::size_t at : {first, second})
        specimen.disk().flip_bit_in_area(specimen.super(which), at, 3);
      check_refused(specimen, fmt::format("superblock {}", which));
      for (const std::size_t at : {first, second})
        specimen.disk().flip_bit_in_area(specimen.super(which), at, 3);
    }
  }
}

// Both superblocks were written long ago, so none may be missing, whichever it is.
BOOST_AUTO_TEST_CASE(a_superblock_that_became_zeros_is_refused_for_it_may_be_the_newest) {
  Specimen specimen(test_seed() + 8, 200, 50);
  require_ok(specimen.open_read_only());
  for (unsigned which = 0; which < 2; ++which) {
    BOOST_TEST_CONTEXT("superblock " << which) {
      const auto before = specimen.overwrite(specimen.super(which), 0, kSuperblockStride);
      check_refused(specimen, fmt::format("superblock {}", which));
      specimen.restore(specimen.super(which), before);
      for (std::size_t copy = 0; copy < kSuperblockCopies; ++copy) {
        // What is left of it is no longer than one copy, and damaged.
        specimen.overwrite(specimen.super(which), copy * kSuperblockCopyStride,
                           kSuperblockCopyStride);
        const std::size_t left = (1 - copy) * kSuperblockCopyStride;
        specimen.disk().flip_bit_in_area(specimen.super(which), left + 30, 2);
        check_refused(specimen, fmt::format("superblock {}", which));
        specimen.restore(specimen.super(which), before);
      }
      require_ok(specimen.open_read_only());
    }
  }
}

BOOST_AUTO_TEST_CASE(a_flipped_bit_anywhere_in_the_blob_map_is_refused) {
  Specimen specimen(test_seed() + 2, 1500, 3000);
  BOOST_REQUIRE(specimen.images().size() > 2);
  for (std::size_t byte = 0; byte < specimen.map_bytes(); ++byte) {
    const auto bit = static_cast<unsigned>(specimen.dice().below(8));
    specimen.disk().flip_bit_in_area(specimen.map_area(specimen.newest()), byte, bit);
    check_refused(specimen, "blob map");
    specimen.disk().flip_bit_in_area(specimen.map_area(specimen.newest()), byte, bit);
  }
  // The other map belongs to a state that is over.
  specimen.disk().flip_bit_in_area(specimen.map_area(1 - specimen.newest()), 30, 1);
  BOOST_TEST(value_of(value_of(specimen.open_read_only())->verify()).problems.empty());
}

BOOST_AUTO_TEST_CASE(a_flipped_bit_anywhere_in_a_blob_is_named_and_reads_are_right_or_refused) {
  Specimen specimen(test_seed() + 3, 700, 7000);
  std::set<NodeKind> kinds;
  for (const Image& image : specimen.images()) {
    std::vector<std::size_t> places;
    for (std::size_t byte = 0; byte < sizeof(DiskBlobHeader); byte += 3) places.push_back(byte);
    std::map<NodeKind, std::vector<art::Ref>> nodes;
    FrameCopy copy(image);
    collect_nodes(copy.view(), copy.view().root(), nodes);
    for (const auto& [kind, refs] : nodes) {
      kinds.insert(kind);
      for (int i = 0; i < 2; ++i) {
        const art::Ref ref = refs[specimen.dice().below(refs.size())];
        const std::size_t size = copy.view().size_of(copy.view().head(ref));
        places.push_back(std::size_t{ref} * kNodeUnit + specimen.dice().below(size));
      }
    }
    for (const std::size_t place : places) {
      BOOST_TEST_CONTEXT("blob " << index_of(image.id) << ", byte " << place) {
        const auto bit = static_cast<unsigned>(specimen.dice().below(8));
        specimen.disk().flip_bit_in_slot(image.slot, place, bit);
        check_blob_refused(specimen, image, nodes.contains(NodeKind::kLeaf));
        specimen.disk().flip_bit_in_slot(image.slot, place, bit);
      }
    }
  }
  BOOST_TEST(kinds.size() == 7U);  // every kind of node was met
  BOOST_TEST(value_of(value_of(specimen.open_read_only())->verify()).problems.empty());
}

namespace {

// Reads a blob that passed the check in every way a reader does.
void read_everything(art::View blob, RandomBatches& random) {
  art::ScanBuffer out;
  [[maybe_unused]] const auto all = art::walk(blob, "", 255, {}, {}, 1u << 20, out);
  out.clear();
  [[maybe_unused]] const auto rolled =
      art::walk(blob, "", 255, {random.key(), {}}, {"", '/', true}, 50, out);
  for (int i = 0; i < 20; ++i) {
    const std::string key = random.key();
    const art::Found found = art::find(blob, key, 0);
    if (found.where == art::Where::kLeaf) {
      std::string value(blob.head(found.ref).value_size(), '\0');
      art::copy_out(value.data(), blob.leaf_value(found.ref, blob.head(found.ref)), value.size());
    }
    [[maybe_unused]] const auto spot = art::find_prefix(blob, key, 0);
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(wrong_bytes_behind_a_right_checksum_are_refused_or_safe_to_read) {
  Specimen specimen(test_seed() + 6, 250, 60);
  RandomBatches random(test_seed() + 7, 60);
  RandomKeys& dice = random.keys();
  const Image& image = specimen.images().front();
  FrameCopy copy(image);
  std::map<NodeKind, std::vector<art::Ref>> nodes;
  collect_nodes(copy.view(), copy.view().root(), nodes);
  std::vector<art::Ref> refs;
  for (const auto& [kind, some] : nodes) refs.insert(refs.end(), some.begin(), some.end());
  std::size_t accepted = 0;
  std::size_t refused = 0;
  for (int i = 0; i < 10000; ++i) {
    for (std::uint64_t change = 1 + dice.below(4); change > 0; --change) {
      // Mostly the structure: a node's head, the header, rarely anything.
      std::size_t at = dice.below(image.bytes.size());
      if (!dice.chance(4))
        at = std::size_t{refs[dice.below(refs.size())]} * kNodeUnit + dice.below(16);
      if (dice.chance(20)) at = dice.below(sizeof(DiskBlobHeader));
      const auto byte =
          static_cast<unsigned char>(dice.chance(2) ? dice.below(256) : dice.below(9));
      if (at < image.bytes.size()) copy.bytes()[at] = std::byte{byte};
    }
    const auto census = art::check_blob(copy.view(), image.id);
    if (census) {
      ++accepted;
      read_everything(copy.view(), random);
    } else {
      ++refused;
      BOOST_REQUIRE_EQUAL(census.error().code(), Code::kCorrupt);
      BOOST_REQUIRE(census.error().text().starts_with("blob 0 "));
      BOOST_REQUIRE(census.error().text().find("(offset ") != std::string::npos);
    }
    std::memcpy(copy.bytes(), image.bytes.data(), image.bytes.size());
  }
  BOOST_TEST(accepted > 100U);
  BOOST_TEST(refused > 1000U);
}
