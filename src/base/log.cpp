#include "base/log.hpp"

#include <cstdio>
#include <mutex>

namespace hone {

namespace {
std::mutex sink_mutex;
LogSink& sink() {
  static LogSink current = [](LogLevel level, const std::string& message) {
    if (level >= LogLevel::warning) std::fprintf(stderr, "%s\n", message.c_str());
  };
  return current;
}
}  // namespace

void set_log_sink(LogSink new_sink) {
  std::lock_guard lock(sink_mutex);
  sink() = std::move(new_sink);
}

void log(LogLevel level, const std::string& message) {
  std::lock_guard lock(sink_mutex);
  if (sink()) sink()(level, message);
}

}  // namespace hone
