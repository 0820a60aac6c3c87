// What a Cursor keeps between calls.
#pragma once

#include <algorithm>

#include "engine/art/scan.h"
#include "engine/tree/tree.h"

namespace holt::internal {

class ScanState {
 public:
  static constexpr std::size_t kMaxChunk = 4096;  // so that a buffer's offsets fit into 32 bits

  ScanState(Tree& tree_of_store, const ScanOptions& options)
      : tree(tree_of_store),
        filter{std::string(options.prefix), options.delimiter, options.values},
        chunk(std::clamp<std::size_t>(options.chunk, 1, kMaxChunk)),
        wait(options.wait) {
    using Mode = art::ScanBound::Mode;
    bound = {filter.prefix, Mode::kFrom};
    const bool resumes = options.after_subtree || !options.after.empty();
    // Before the prefix nothing is left out, unless the prefix itself lies below `after`.
    const bool around = options.after_subtree && options.prefix.starts_with(options.after);
    if (resumes && (around || options.after >= options.prefix)) {
      bound = {std::string(options.after),
               options.after_subtree ? Mode::kAfterPrefix : Mode::kAfter};
    }
  }

  Tree& tree;
  art::ScanBound bound;
  art::ScanFilter filter;
  std::size_t chunk;
  Wait wait;
  art::ScanBuffer buffer;
  std::size_t at = 0;  // entry the cursor stands on
  bool done = false;
};

}  // namespace holt::internal
