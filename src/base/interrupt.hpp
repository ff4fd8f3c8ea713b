#pragma once

namespace hone {

/// Asks all long work in this process to stop at its next safe point. Async-signal-safe.
void request_interrupt() noexcept;
/// True after request_interrupt().
bool interrupt_requested() noexcept;
/// Forgets an earlier request.
void clear_interrupt() noexcept;
/// Throws Interrupted(place) after request_interrupt(); call it at safe points of long loops.
void check_interrupt(const char* place);

}  // namespace hone
