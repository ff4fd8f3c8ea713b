#include "base/interrupt.hpp"

#include <atomic>

#include "base/error.hpp"

namespace hone {

namespace {
std::atomic<bool> requested{false};
}

void request_interrupt() noexcept { requested.store(true, std::memory_order_relaxed); }
bool interrupt_requested() noexcept { return requested.load(std::memory_order_relaxed); }
void clear_interrupt() noexcept { requested.store(false, std::memory_order_relaxed); }
void check_interrupt(const char* place) {
  if (interrupt_requested()) throw Interrupted(place);
}

}  // namespace hone
