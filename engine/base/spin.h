// Waiting for what is about to come, before it is worth going to sleep.
#pragma once

namespace holt {

// About 5 us: longer than most critical sections, and than a writer takes that kept its core.
inline constexpr int kSpins = 200;

inline void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace holt
