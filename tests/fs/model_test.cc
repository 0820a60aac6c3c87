// Goal: a long random history of operations leaves exactly what a simple model of POSIX leaves,
// also when the filesystem is closed and opened in between. Method: a tree of maps stands for the
// namespace; every operation is made on both and its result compared. The seed is printed.
#include <fmt/format.h>

#include <cstdio>
#include <random>

#include "tests/fs/fixture.h"

using namespace holtfs;
using namespace holtfs::test;

namespace {

// A file or directory of the model. Names of one file share it.
struct Thing {
  bool directory = false;
  std::string content;
  std::map<std::string, std::string> xattrs;
  std::map<std::string, std::shared_ptr<Thing>> children;
  int names = 0;  // files
};
using ThingRef = std::shared_ptr<Thing>;

struct Model : Fixture {
  Model() : top(std::make_shared<Thing>()) {
    top->directory = true;
    random.seed(test_seed());
  }

  // A directory that exists, by a random walk: its number and its model.
  struct Where {
    Ino ino;
    ThingRef thing;
    std::vector<Thing*> way;  // from the top, itself included
  };
  Where somewhere() {
    Where at{kRootIno, top, {top.get()}};
    while (random() % 3 != 0) {
      std::vector<std::string> folders;
      for (const auto& [name, child] : at.thing->children) {
        if (child->directory) folders.push_back(name);
      }
      if (folders.empty()) break;
      const std::string& name = folders[random() % folders.size()];
      at.ino = fs->lookup(who, at.ino, name)->attr.ino;
      at.thing = at.thing->children[name];
      at.way.push_back(at.thing.get());
    }
    return at;
  }
  std::string some_name() { return fmt::format("n{}", random() % 12); }
  static ThingRef child(const Where& at, const std::string& name) {
    const auto found = at.thing->children.find(name);
    return found == at.thing->children.end() ? nullptr : found->second;
  }

  void step();
  void add(bool directory);
  void remove();
  void rename(unsigned flags);
  void link();
  void write();
  void set_xattr();
  void compare(Ino ino, const Thing& thing, const std::string& path);

  ThingRef top;
  std::mt19937 random;
};

void Model::add(bool directory) {
  const Where at = somewhere();
  const std::string name = some_name();
  const int wanted = child(at, name) ? EEXIST : 0;
  const auto made =
      directory ? fs->mkdir(who, at.ino, name, 0755) : fs->create(who, at.ino, name, 0644, true);
  BOOST_REQUIRE_EQUAL(code(made), wanted);
  if (wanted != 0) return;
  auto thing = std::make_shared<Thing>();
  thing->directory = directory;
  thing->names = 1;
  at.thing->children[name] = thing;
}

void Model::remove() {
  const Where at = somewhere();
  const std::string name = some_name();
  const ThingRef thing = child(at, name);
  const bool as_directory = random() % 2 == 0;
  int wanted = 0;
  if (!thing) {
    wanted = ENOENT;
  } else if (thing->directory != as_directory) {
    wanted = as_directory ? ENOTDIR : EISDIR;
  } else if (as_directory && !thing->children.empty()) {
    wanted = ENOTEMPTY;
  }
  BOOST_REQUIRE_EQUAL(
      code(as_directory ? fs->rmdir(who, at.ino, name) : fs->unlink(who, at.ino, name)), wanted);
  if (wanted != 0) return;
  --thing->names;
  at.thing->children.erase(name);
}

void Model::rename(unsigned flags) {
  const Where from = somewhere(), to = somewhere();
  const std::string name = some_name(), new_name = some_name();
  const ThingRef old = child(from, name), target = child(to, new_name);
  const bool exchange = flags == RENAME_EXCHANGE;
  const auto within = [](const Where& at, const ThingRef& thing) {
    return thing && thing->directory &&
           std::find(at.way.begin(), at.way.end(), thing.get()) != at.way.end();
  };
  int wanted = 0;
  if (!old || (exchange && !target)) {
    wanted = ENOENT;
  } else if (old == target && flags != RENAME_NOREPLACE) {
    BOOST_REQUIRE_EQUAL(code(fs->rename(who, from.ino, name, to.ino, new_name, flags)), 0);
    return;
  } else if (within(to, old) || (exchange && within(from, target))) {
    wanted = EINVAL;
  } else if (flags == RENAME_NOREPLACE && target) {
    wanted = EEXIST;
  } else if (!exchange && target && target->directory != old->directory) {
    wanted = target->directory ? EISDIR : ENOTDIR;
  } else if (!exchange && target && target->directory && !target->children.empty()) {
    wanted = ENOTEMPTY;
  }
  BOOST_REQUIRE_EQUAL(code(fs->rename(who, from.ino, name, to.ino, new_name, flags)), wanted);
  if (wanted != 0) return;
  if (exchange) {
    std::swap(from.thing->children[name], to.thing->children[new_name]);
    return;
  }
  if (target) --target->names;
  from.thing->children.erase(name);
  to.thing->children[new_name] = old;
}

void Model::link() {
  const Where from = somewhere(), to = somewhere();
  const std::string name = some_name(), new_name = some_name();
  const ThingRef old = child(from, name);
  if (!old) return;
  const Ino ino = fs->lookup(who, from.ino, name)->attr.ino;
  int wanted = 0;
  if (old->directory) {
    wanted = EPERM;
  } else if (child(to, new_name)) {
    wanted = EEXIST;
  }
  BOOST_REQUIRE_EQUAL(code(fs->link(who, ino, to.ino, new_name)), wanted);
  if (wanted != 0) return;
  ++old->names;
  to.thing->children[new_name] = old;
}

void Model::write() {
  const Where at = somewhere();
  const std::string name = some_name();
  const ThingRef thing = child(at, name);
  if (!thing || thing->directory) return;
  const Ino ino = fs->lookup(who, at.ino, name)->attr.ino;
  const std::size_t offset = random() % 3000;
  if (random() % 4 == 0) {
    BOOST_REQUIRE_EQUAL(code(fs->setattr(who, ino, {.size = offset})), 0);
    thing->content.resize(offset);
    return;
  }
  const std::string bytes(1 + random() % 2000, static_cast<char>('a' + random() % 26));
  Fixture::write(ino, bytes, offset);
  if (thing->content.size() < offset + bytes.size()) thing->content.resize(offset + bytes.size());
  thing->content.replace(offset, bytes.size(), bytes);
}

void Model::set_xattr() {
  const Where at = somewhere();
  const std::string name = some_name();
  const ThingRef thing = child(at, name);
  if (!thing) return;
  const Ino ino = fs->lookup(who, at.ino, name)->attr.ino;
  const std::string attr = fmt::format("user.{}", random() % 3);
  if (random() % 2 == 0) {
    const std::string value(random() % 100, 'v');
    BOOST_REQUIRE_EQUAL(code(fs->setxattr(who, ino, attr, value, 0)), 0);
    thing->xattrs[attr] = value;
  } else {
    const int wanted = thing->xattrs.erase(attr) != 0 ? 0 : ENODATA;
    BOOST_REQUIRE_EQUAL(code(fs->removexattr(who, ino, attr)), wanted);
  }
}

void Model::step() {
  switch (random() % 10) {
    case 0:
    case 1: return add(true);
    case 2:
    case 3: return add(false);
    case 4: return remove();
    case 5: return rename(0);
    case 6: return rename(random() % 2 == 0 ? RENAME_NOREPLACE : RENAME_EXCHANGE);
    case 7: return link();
    case 8: return write();
    default: return set_xattr();
  }
}

void Model::compare(Ino ino, const Thing& thing, const std::string& path) {
  const Attr got = attr(ino);
  std::map<std::string, std::string> xattrs;
  const auto names = fs->listxattr(who, ino);
  BOOST_REQUIRE(names);
  for (std::size_t at = 0; at < names->size(); at = names->find('\0', at) + 1) {
    const std::string name = names->c_str() + at;
    xattrs[name] = *fs->getxattr(who, ino, name);
  }
  BOOST_REQUIRE_MESSAGE(xattrs == thing.xattrs, "the xattrs of " << path);
  if (!thing.directory) {
    BOOST_REQUIRE_MESSAGE(read(ino) == thing.content, "the contents of " << path);
    BOOST_REQUIRE_MESSAGE(got.nlink == static_cast<std::uint64_t>(thing.names),
                          "nlink of " << path);
    return;
  }
  std::vector<std::string> wanted;
  std::uint64_t folders = 0;
  for (const auto& [name, below] : thing.children) {
    wanted.push_back(name);
    folders += below->directory ? 1 : 0;
  }
  BOOST_REQUIRE_MESSAGE(list(ino, 1 + random() % 20) == wanted, "the names in " << path);
  BOOST_REQUIRE_MESSAGE(got.nlink == 2 + folders, "nlink of " << path);
  for (const auto& [name, below] : thing.children) {
    const auto entry = fs->lookup(who, ino, name);
    BOOST_REQUIRE(entry);
    compare(entry->attr.ino, *below, path + "/" + name);
    fs->forget(entry->attr.ino, 1);
  }
}

}  // namespace

BOOST_FIXTURE_TEST_CASE(a_random_history_matches_the_model, Model) {
  for (int i = 1; i <= 6000; ++i) {
    step();
    if (i % 1000 == 0) compare(kRootIno, *top, "");
    if (i % 2000 == 0) reopen();
  }
  compare(kRootIno, *top, "");
}
