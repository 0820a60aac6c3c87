// What a Cursor keeps between calls.
#pragma once

#include "engine/art/scan.h"
#include "engine/tree/tree.h"

namespace holt::internal {

class ScanState {
 public:
  ScanState(Tree& tree_of_store, const ScanOptions& options)
      : tree(tree_of_store),
        filter{std::string(options.prefix), options.delimiter, options.values},
        chunk(options.chunk),
        wait(options.wait) {
    using Mode = art::ScanBound::Mode;
    bound = {filter.prefix, Mode::kFrom};
    const bool resumes = options.after_subtree || !options.after.empty();
    if (resumes && options.after >= options.prefix) {
      bound = {std::string(options.after), options.after_subtree ? Mode::kAfterPrefix : Mode::kAfter};
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
