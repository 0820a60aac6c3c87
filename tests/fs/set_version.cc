// set_version STORE VERSION: makes a filesystem one of another version, for tests of the programs
// that have to refuse it.
#include <cstdio>
#include <cstdlib>

#include "fs/schema.h"
#include "fs/state.h"

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  auto store = holt::Store::open(argv[1], {.create_if_missing = false});
  if (!store) return 1;
  const holtfs::State state{.version = static_cast<std::uint32_t>(std::atoi(argv[2]))};
  if (!(*store)->put(holtfs::schema::state_key(), holtfs::encode(state))) return 1;
  return (*store)->close() ? 0 : 1;
}
