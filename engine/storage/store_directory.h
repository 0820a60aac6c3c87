// Recognises, makes and locks the directory that a store lives in.
//
// A directory whose making was interrupted before the first superblock was durable holds no state,
// so it counts as fresh and is emptied. Rejected: a marker file, which would be one more thing that
// can disagree with the superblock.
//
// Thread safety: value of one owner; the lock lasts as long as the value.
#pragma once

#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/storage/posix_file.h"
#include "engine/storage/storage.h"

namespace holt {

struct StoreDirectory {
  std::string path;
  UniqueFd directory;
  UniqueFd lock;  // none: read-only, and no LOCK file is there
  bool fresh = false;

  std::string shown(const std::string& name) const { return path + "/" + name; }
};

Result<StoreDirectory> open_store_directory(const std::string& path,
                                            const PosixStorageOptions& options);
// Tells who wants the lock that it will be free soon. REQUIRES: the lock, exclusively.
void mark_closing(const StoreDirectory& store);

}  // namespace holt
